"""All that can be said of the manifests without a cluster."""

from collections.abc import Iterator
from pathlib import Path

from infra.kubernetes.airflow import made_of, values_problems
from infra.kubernetes.documents import FOLDER, Document, Problem, leaves, manifests, values
from infra.kubernetes.platform_settings import settings_problems
from infra.kubernetes.schemas import schema_problems
from infra.kubernetes.secrets import leaks, unmade

OUTSIDE = frozenset({"postgresql-ca", "kube-root-ca.crt"})
"""ConfigMaps that the cluster brings."""


def problems(folder: Path = FOLDER) -> list[Problem]:
    """What is wrong with the manifests and the values, in the order of the files."""
    found, chart = manifests(folder), values(folder)
    if not found:
        raise SystemExit(f"no manifest in {folder}: this check looked at nothing")
    wrong = [problem for document in found for problem in problems_of(document)]
    wrong += [*values_problems(chart), *leaks(chart)]
    # Pods can't be made of values that lack their parts.
    made = [] if wrong else list(made_of(chart))
    wrong += [problem for document in made for problem in schema_problems(document)]
    return [*wrong, *unmade([*found, chart, *made]), *_missing([*found, *made])]


def problems_of(document: Document) -> Iterator[Problem]:
    """What is wrong with one manifest by itself."""
    yield from schema_problems(document)
    yield from leaks(document)
    yield from settings_problems(document)


def _missing(found: list[Document]) -> Iterator[Problem]:
    """References to ConfigMaps that no manifest makes."""
    made = {one.content["metadata"]["name"] for one in found if one.kind == "ConfigMap"} | OUTSIDE
    for document in found:
        for path, value in leaves(document.content):
            if path[-2:] in (("configMap", "name"), ("configMapRef", "name")) and value not in made:
                yield Problem(document.name, ".".join(path), f"names the ConfigMap {value}, which no manifest makes")
