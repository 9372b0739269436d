"""The values for Airflow's chart. Its own schema is in no package registry, so they are checked in three other ways.

Only keys and types of a table here may be set, which is stricter than the chart, where a misspelt key at the top is taken and
forgotten. What the chart copies into pods is checked as the pods that come of it. Options of Airflow must be those of the
installed Airflow. ``python -m infra.kubernetes --chart-schema FILE`` checks against the schema of a chart that was fetched.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml

from infra.install.programs import package_folder
from infra.kubernetes.documents import Document, Problem
from infra.kubernetes.schemas import Schema, refusals

TEXT, FLAG, COUNT, MAPPING, LIST = ({"type": name} for name in ("string", "boolean", "integer", "object", "array"))
OFF = {"const": False}
COMPONENTS = ("apiServer", "scheduler", "dagProcessor")


def only(**properties: Schema) -> Schema:
    """A mapping of exactly these keys."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


SHAPE = only(
    airflowVersion=TEXT,
    defaultAirflowRepository=TEXT,
    defaultAirflowTag=TEXT,
    executor={"const": "LocalExecutor"},
    uid=COUNT,
    gid=COUNT,
    labels=MAPPING,
    # Without one of these names the chart makes a secret of its own, anew at some upgrades.
    data=only(metadataSecretName=TEXT),
    fernetKeySecretName=TEXT,
    apiSecretKeySecretName=TEXT,
    jwtSecretName=TEXT,
    createUserJob=only(enabled=OFF),
    **{name: only(enabled=OFF) for name in ("postgresql", "redis", "pgbouncer", "statsd", "triggerer", "flower")},
    dags=only(persistence=only(enabled=OFF), gitSync=only(enabled=OFF)),
    logs=only(persistence=only(enabled=OFF)),
    workers=only(celery=only(persistence=only(enabled=FLAG, size=TEXT))),
    extraEnvFrom=TEXT,
    volumes=LIST,
    volumeMounts=LIST,
    securityContexts=only(pod=MAPPING, containers=MAPPING),
    networkPolicies=only(enabled={"const": True}),
    rbac=only(create=FLAG),
    allowPodLaunching=OFF,
    config={"type": "object", "additionalProperties": {"type": "object", "additionalProperties": TEXT}},
    apiServer=only(
        replicas=COUNT,
        podDisruptionBudget=only(enabled=FLAG),
        networkPolicy=only(ingress=only(**{"from": LIST})),
        resources=MAPPING,
    ),
    scheduler=only(
        replicas=COUNT,
        labels=MAPPING,
        extraInitContainers=LIST,
        extraVolumes=LIST,
        extraVolumeMounts=LIST,
        resources=MAPPING,
    ),
    dagProcessor=only(replicas=COUNT, resources=MAPPING),
)


def values_problems(values: Document) -> Iterator[Problem]:
    """What is wrong with keys, types and options of Airflow."""
    yield from refusals(values, SHAPE, values.content)
    for section, options in (values.content.get("config") or {}).items():
        known = _options().get(section)
        if known is None:
            yield Problem(values.name, f"config.{section}", "Airflow has no such section")
            continue
        for name in (options or {}).keys() - known:
            yield Problem(values.name, f"config.{section}.{name}", "Airflow has no such option")


def made_of(values: Document) -> Iterator[Document]:
    """The pods and the policy that the chart makes of the values, as far as they decide them."""
    for component in COMPONENTS:
        yield Document(f"{values.file} ({component})", _pod(values.content, component))
    peers = values.content["apiServer"]["networkPolicy"]["ingress"]["from"]
    metadata = {"name": "airflow-api-server-policy"}
    yield Document(
        f"{values.file} (apiServer)",
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata,
            "spec": {"podSelector": {}, "ingress": [{"from": peers}]},
        },
    )


def _pod(values: dict[str, Any], component: str) -> dict[str, Any]:
    own = values[component]
    container = {
        "name": component.lower(),
        "image": f"{values['defaultAirflowRepository']}:{values['defaultAirflowTag']}",
        "envFrom": yaml.safe_load(values["extraEnvFrom"]),
        "resources": own["resources"],
        "securityContext": values["securityContexts"]["containers"],
        "volumeMounts": [*values["volumeMounts"], *own.get("extraVolumeMounts", ())],
    }
    spec = {
        "securityContext": values["securityContexts"]["pod"],
        "initContainers": own.get("extraInitContainers", []),
        "containers": [container],
        "volumes": [*values["volumes"], *own.get("extraVolumes", ())],
    }
    metadata = {"name": component.lower(), "labels": {**values["labels"], **own.get("labels", {})}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@lru_cache
def _options() -> dict[str, frozenset[str]]:
    described = (package_folder("airflow") / "config_templates" / "config.yml").read_text(encoding="utf-8")
    return {section: frozenset(one["options"]) for section, one in yaml.safe_load(described).items()}
