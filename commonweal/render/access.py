"""Access rules from the contracts: what each principal, user and role may do; what isn't listed is denied.

Kafka: ``READ`` and ``WRITE`` include ``DESCRIBE``, and ``WRITE`` on a topic is all that an idempotent producer needs (KIP-679),
so neither ``DESCRIBE`` nor ``IDEMPOTENT_WRITE`` stands beside them. Nobody describes a foreign topic: a producer that sees one
and may not write to it is poisoned by the first denied send.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from commonweal.contract.model import Contract, Department

RELEASES_TOPIC = "commonweal.releases.v1"
KAFKA_PROGRAMS = ("announce", "landing", "repair", "watch")
POSTGRES_PROGRAMS = ("announce", "pipeline", "query", "spark", "watch")
POSTGRES_PEOPLE = ("auditor", "engineer")
MINIO_USERS = ("auditor", "pipeline", "query", "spark")


@dataclass(frozen=True, order=True)
class Acl:
    """One permission in Kafka: ``principal`` may ``operation`` on the resource of that name, or whose name starts so."""

    principal: str
    operation: Literal["DESCRIBE", "READ", "WRITE"]
    resource: Literal["TOPIC", "GROUP"]
    name: str
    prefixed: bool = False


@dataclass(frozen=True, order=True)
class Grant:
    """One permission in PostgreSQL; the name of a column is ``table.column``."""

    role: str
    privilege: str
    kind: Literal["table", "column", "sequence", "schema", "database"]
    name: str


@dataclass(frozen=True)
class Buckets:
    """Names of the buckets."""

    landing: str
    lakehouse: str
    reports: str


def department_principal(department: str) -> str:
    """Kafka principal of a department."""
    return f"dept-{department}"


def department_role(department: str) -> str:
    """PostgreSQL role of a department's people."""
    return f"dept_{department}"


def kafka_principals(departments: Iterable[Department]) -> tuple[str, ...]:
    """Every principal but the super user, by name."""
    return tuple(sorted((*KAFKA_PROGRAMS, *(department_principal(department.id) for department in departments))))


def postgres_roles(departments: Iterable[Department]) -> tuple[str, ...]:
    """Every role of the platform's database but its owner, by name."""
    people = (*POSTGRES_PEOPLE, *(department_role(department.id) for department in departments))
    return tuple(sorted((*POSTGRES_PROGRAMS, *people)))


def kafka_acls(contracts: Iterable[Contract], departments: Iterable[Department]) -> tuple[Acl, ...]:
    """All permissions in Kafka.

    A department writes to the topics of its own datasets, by their full names, and reads none but the announcements.
    """
    acls = {acl for contract in contracts if contract.kind == "source" for acl in _dataset_acls(contract)}
    acls |= {acl for department in departments for acl in _reader_acls(department)}
    acls.add(Acl("announce", "WRITE", "TOPIC", RELEASES_TOPIC))
    return tuple(sorted(acls))


def _dataset_acls(contract: Contract) -> tuple[Acl, ...]:
    return (
        Acl(department_principal(contract.department), "WRITE", "TOPIC", contract.topic),
        Acl("repair", "WRITE", "TOPIC", contract.repair_topic),
        *(Acl("landing", "READ", "TOPIC", topic) for topic in contract.topics),
        *(Acl("watch", "DESCRIBE", "TOPIC", topic) for topic in contract.topics),
    )


def _reader_acls(department: Department) -> tuple[Acl, ...]:
    principal = department_principal(department.id)
    return (Acl(principal, "READ", "TOPIC", RELEASES_TOPIC), Acl(principal, "READ", "GROUP", f"{department.id}.", prefixed=True))


_READ = ("s3:GetObject",)
_WRITE = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
_DELETE = ("s3:DeleteObject",)


def minio_policies(buckets: Buckets) -> dict[str, dict[str, Any]]:
    """The policy document of each user.

    ``spark`` reads and writes tables; ``pipeline`` moves refs, so it touches metadata files only, and writes reports; ``query``
    reads released tables; ``auditor`` reads reports.
    """
    tables = (buckets.landing, buckets.lakehouse)
    metadata = tuple(f"{bucket}/*/metadata/*" for bucket in tables)
    return {
        "spark": _policy(_statement((*_READ, *_WRITE, *_DELETE), *(f"{bucket}/*" for bucket in tables)), _listing(*tables)),
        "pipeline": _policy(
            _statement((*_READ, *_WRITE, *_DELETE), *metadata),
            _statement((*_READ, *_WRITE), f"{buckets.reports}/*"),
            _listing(*tables, buckets.reports),
        ),
        "query": _policy(_statement(_READ, f"{buckets.lakehouse}/*")),
        "auditor": _policy(_statement(_READ, f"{buckets.reports}/*"), _listing(buckets.reports)),
    }


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _statement(actions: Iterable[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": sorted(actions), "Resource": sorted(f"arn:aws:s3:::{name}" for name in resources)}


def _listing(*buckets: str) -> dict[str, Any]:
    # Without it a missing object is reported as denied, and Iceberg can't tell the two apart.
    return _statement(("s3:ListBucket",), *buckets)


# Letters: select, insert, update, delete. Nobody has update or delete on evidence; nobody but the owner truncates anything.
_LETTERS = {
    "s": "SELECT",
    "i": "INSERT",
    "u": "UPDATE",
    "d": "DELETE",
}

_WORK = {
    "lease": "s",
    "attempt": "s",
    "landed_offsets": "s",
    "landing_batch": "s",
    "accepted_loss": "s",
    "dismissal": "s",
    "candidate": "s",
    "gate_result": "s",
    "release": "s",
    "current_release": "s",
    "hold": "s",
    "pseudonym_epoch": "s",
    "key_epoch": "s",
    "expiry": "s",
    "rolled_back": "s",
}
_AUDITED = (
    "gate_result",
    "accepted_loss",
    "dismissal",
    "hold",
    "rolled_back",
    "pseudonym_epoch",
    "key_epoch",
    "expiry",
    "evidence",
)
_RELEASED = {"release": "s", "current_release": "s"}

_TABLES: Mapping[str, Mapping[str, str]] = {
    "spark": {"iceberg_tables": "su", "iceberg_namespace_properties": "s"},
    "pipeline": {
        "iceberg_tables": "siu",
        "iceberg_namespace_properties": "si",
        "lease": "siu",
        "commit_record": "si",
        "attempt": "siu",
        "landed_offsets": "siu",
        "landing_batch": "si",
        "accepted_loss": "si",
        "dismissal": "si",
        "candidate": "siu",
        "gate_result": "si",
        "release": "si",
        "current_release": "siu",
        "hold": "siud",
        "pseudonym_epoch": "si",
        "key_epoch": "siu",
        "expiry": "si",
        "rolled_back": "sid",
        "answer": "si",
        "outbox": "si",
        "evidence": "si",
    },
    # For the page of metrics: of the evidence only where its chain ends, of the outbox only what waits.
    "watch": {
        **_WORK,
        "commit_record": "s",
        "evidence.seq": "s",
        "evidence.hash": "s",
        "outbox.sent_at": "s",
        "outbox.created_at": "s",
    },
    "announce": {"outbox": "s", "outbox.sent_at": "u"},
    "query": {**_RELEASED, "rolled_back": "s", "iceberg_tables": "s", "iceberg_namespace_properties": "s", "evidence": "si"},
    "engineer": {**_WORK, "commit_record": "s", "outbox": "s", "iceberg_tables": "s", "iceberg_namespace_properties": "s"},
    "auditor": {**_RELEASED, **dict.fromkeys(_AUDITED, "s")},
}


def postgres_grants(departments: Iterable[Department]) -> tuple[Grant, ...]:
    """All permissions on the platform's tables; to lock a row takes ``UPDATE`` on it, which is why leases have it."""
    rules = {**_TABLES, **{department_role(department.id): _RELEASED for department in departments}}
    return tuple(sorted(grant for role, tables in rules.items() for grant in _role_grants(role, tables)))


def _role_grants(role: str, tables: Mapping[str, str]) -> Iterable[Grant]:
    for name, letters in tables.items():
        for letter in letters:
            yield Grant(role, _LETTERS[letter], "column" if "." in name else "table", name)
