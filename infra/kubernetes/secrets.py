"""Secrets of the cluster, by name only: which there must be, and that none of their values stands in a file."""

import re
from collections.abc import Iterable, Iterator

from commonweal.contract.loader import load_departments
from commonweal.settings import ROOT
from infra.kubernetes.documents import Document, Problem, leaves
from infra.stack.secret_files import secret_names

STRIMZIS = "commonweal-cluster-ca-cert"
"""Strimzi makes it; all others are made before."""
KEYS = ("epoch", "pseudonym.1.key", "sealing.public")
FIXED = {
    "commonweal-watch": ("kafka-watch", "postgres-watch", "airflow-watch"),
    "commonweal-announce": ("kafka-announce", "postgres-announce"),
    "commonweal-steps": ("kafka-landing", "postgres-pipeline", "minio-pipeline", "spark-token"),
    "commonweal-airflow-accounts": ("airflow-engineer", "airflow-auditor", "airflow-watch", "airflow-jwt"),
    "commonweal-keys": KEYS,
    "spark-private": ("jaas.conf", "pgpass", "s3.ini"),
    "spark-connect-token": ("spark-token",),
    "spark-connect-tls": ("tls.crt", "tls.key", "ca.crt"),
    "airflow-metadata": ("connection",),
    "airflow-fernet": ("fernet-key",),
    "airflow-api": ("api-secret-key",),
    "airflow-jwt": ("jwt-secret",),
    STRIMZIS: ("ca.crt",),
}
# A key whose text would be a secret, a login within an address, and texts that are nothing but random.
NAMED = re.compile(r"(pass|password|token|secret|secret_?key|api_?key|fernet_?key|connection|stringdata)", re.IGNORECASE)
ENVIRONMENT = re.compile(r"(PASSWORD|PASSWD|TOKEN|SECRET|SECRET_KEY|FERNET_KEY|SQL_ALCHEMY_CONN)$")
LOGIN = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
RANDOM = re.compile(r"(?<![\w@:.-])([0-9a-fA-F]{32,}|[A-Za-z0-9+/_-]{43}=|[A-Za-z0-9+/]{62,}={0,2})(?![\w.-])")


def secrets() -> dict[str, tuple[str, ...]]:
    """Every Secret that the manifests name, with its keys; that of ``apply`` has a password for each principal."""
    names = secret_names(load_departments(ROOT / "schemas"))
    applied = [name for name in names if name.startswith(("kafka-", "postgres-")) and name != "postgres-airflow"]
    return {"commonweal-apply": (*applied, "minio-pipeline"), **FIXED}


def leaks(document: Document) -> Iterator[Problem]:
    """Values that are, or look like, a secret; the message never repeats one."""
    if document.kind == "Secret":
        yield Problem(document.name, "", "a Secret is made in the cluster, never from a file here")
    for path, value in leaves(document.content):
        text = value if isinstance(value, str) else ""
        if NAMED.fullmatch(path[-1] if path else "") and text:
            yield Problem(document.name, ".".join(path), "holds a secret's value; name a Secret instead")
        elif LOGIN.search(text) or RANDOM.search(text):
            yield Problem(document.name, ".".join(path), "looks like a secret's value; name a Secret instead")
    for place, variable in _variables(document.content):
        if ENVIRONMENT.search(str(variable["name"])) and variable.get("value"):
            yield Problem(document.name, place, "a secret variable has its value here; take it from a Secret")


def _variables(content: object, path: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    """Every mapping that has a name and a value: environment variables."""
    if isinstance(content, dict):
        if {"name", "value"} <= content.keys():
            yield path, content
        for key, value in content.items():
            yield from _variables(value, f"{path}.{key}".lstrip("."))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _variables(value, f"{path}.{number}")


def unmade(found: Iterable[Document]) -> Iterator[Problem]:
    """References to Secrets, or to keys of theirs, that ``secrets`` doesn't list."""
    known = secrets()
    for document in found:
        for path, name, keys in references(document):
            if name not in known:
                yield Problem(document.name, path, f"names the Secret {name}, which infra/kubernetes/secrets.py does not list")
            else:
                yield from (Problem(document.name, path, f"{name} has no key {key}") for key in keys if key not in known[name])


def references(document: Document) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Each reference to a Secret: its place, the name, and the keys that it picks."""
    yield from _references(document.content, "")


def _references(content: object, path: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if isinstance(content, dict):
        if isinstance(name := content.get("secretName"), str):
            yield path, name, tuple(item["key"] for item in content.get("items", ()))
        for key, value in content.items():
            if key == "secretKeyRef":
                yield f"{path}.{key}", value["name"], (value["key"],)
            elif key.endswith("SecretName") and isinstance(value, str):
                yield f"{path}.{key}".lstrip("."), value, ()
            else:
                yield from _references(value, f"{path}.{key}".lstrip("."))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _references(value, f"{path}.{number}")
