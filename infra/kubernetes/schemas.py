"""Every document against the schema of its kind: Kubernetes' from a locked package, Strimzi's from its own generator."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import jsonschema
from kubernetes_validate import SchemaNotFoundError, ValidationError, validate

from infra.install import strimzi_crds
from infra.install.crds import KINDS
from infra.kubernetes.documents import Document, Problem

KUBERNETES = "1.34"
"""The oldest version that is still maintained: what it takes, later ones take too."""
GROUP, VERSION = "kafka.strimzi.io", "v1"
STRIMZI = f"{GROUP}/{VERSION}"
OPEN = "x-kubernetes-preserve-unknown-fields"

Schema = dict[str, Any]


def schema_problems(document: Document) -> Iterator[Problem]:
    """What the document's schema refuses, fields that no schema names among it."""
    version, kind = document.content.get("apiVersion"), document.content.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        yield Problem(document.name, "", "apiVersion or kind is missing")
    elif version.split("/")[0] == GROUP:
        yield from _strimzi_problems(document, version)
    else:
        yield from _kubernetes_problems(document, document.content)


def refusals(document: Document, schema: Schema, content: object, *, within: tuple[str, ...] = ()) -> Iterator[Problem]:
    """What a JSON schema refuses in a document's content, or in the part of it below ``within``."""
    for error in jsonschema.Draft202012Validator(schema).iter_errors(content):
        yield _problem(document, error, within)


def closed(schema: Schema) -> Schema:
    """The schema, refusing fields that it does not name: the server would take them and drop them without a word."""
    found = dict(schema)
    if "properties" in found:
        found["properties"] = {name: closed(one) for name, one in found["properties"].items()}
        if not found.get(OPEN):
            found.setdefault("additionalProperties", False)
    for name in ("items", "additionalProperties"):
        if isinstance(found.get(name), dict):
            found[name] = closed(found[name])
    return found


def _kubernetes_problems(document: Document, content: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        validate(dict(content), KUBERNETES, strict=True)
    except SchemaNotFoundError:
        yield Problem(document.name, "", f"Kubernetes {KUBERNETES} knows no kind {content['kind']} in {content['apiVersion']}")
    except ValidationError as error:
        yield _problem(document, error, ())


def _strimzi_problems(document: Document, version: str) -> Iterator[Problem]:
    if version != STRIMZI or document.kind not in KINDS:
        yield Problem(document.name, "", f"{document.kind} in {version}: this check knows {', '.join(KINDS)} in {STRIMZI}")
        return
    yield from refusals(document, _definition(document.kind), document.content)
    # The definition leaves metadata to the server.
    metadata = document.content.get("metadata")
    yield from _kubernetes_problems(document, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


@lru_cache
def _definition(kind: str) -> Schema:
    made = json.loads((strimzi_crds() / f"{kind}.yaml").read_text(encoding="utf-8"))
    (schema,) = [one["schema"]["openAPIV3Schema"] for one in made["spec"]["versions"] if one["name"] == VERSION]
    return closed(schema)


def _problem(document: Document, error: jsonschema.ValidationError, within: Iterable[str]) -> Problem:
    # The whole text of some rules repeats what they looked at, page by page.
    text = error.message if len(error.message) <= 160 else f"does not follow its rule {error.validator}"
    return Problem(document.name, ".".join(map(str, (*within, *error.absolute_path))), text)
