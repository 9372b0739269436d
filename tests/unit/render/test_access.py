import json
from fnmatch import fnmatchcase

import pytest

from commonweal.contract.model import Contract, Department, Field, Text
from commonweal.render.access import (
    KAFKA_PROGRAMS,
    MINIO_USERS,
    RELEASES_TOPIC,
    Acl,
    Buckets,
    kafka_acls,
    kafka_principals,
    minio_policies,
    postgres_grants,
    postgres_roles,
)

WORD = Text(en="Paper", zh="文件")
DEPARTMENTS = tuple(Department(id=name, title=WORD) for name in ("office", "office_two", "bureau"))
BUCKETS = Buckets("landing", "lakehouse", "reports")


def contract(dataset: str, kind: str = "source", version: str = "2.1.0") -> Contract:
    field = Field(name="paper_no", physical_name="paper_no", column="paper_no", type="string", title=WORD, description=WORD)
    values = {"id": dataset, "kind": kind, "version": version, "status": "active", "title": WORD, "description": WORD}
    return Contract.model_validate(values | {"fields": (field,), "key": ("paper_no",), "digest": "0"})


CONTRACTS = (contract("office.paper"), contract("office.pen"), contract("office_two.paper"), contract("bureau.digest", "product"))
TOPICS = [topic for item in CONTRACTS for topic in item.topics]


def covers(acl: Acl, resource: str, name: str) -> bool:
    return acl.resource == resource and (name.startswith(acl.name) if acl.prefixed else name == acl.name)


def allowed(principal: str, resource: str, name: str) -> set[str]:
    acls = kafka_acls(CONTRACTS, DEPARTMENTS)
    return {acl.operation for acl in acls if acl.principal == principal and covers(acl, resource, name)}


@pytest.mark.parametrize("department", [department.id for department in DEPARTMENTS])
@pytest.mark.parametrize("topic", [*TOPICS, "office.paper.v3", "office.other.v1"])
def test_a_department_writes_its_own_topics_and_reads_none(department, topic):
    own = topic.startswith(f"{department}.") and topic in TOPICS
    assert allowed(f"dept-{department}", "TOPIC", topic) == ({"WRITE"} if own else set())


@pytest.mark.parametrize("department", [department.id for department in DEPARTMENTS])
def test_a_department_reads_the_announcements_in_groups_of_its_own(department):
    assert allowed(f"dept-{department}", "TOPIC", RELEASES_TOPIC) == {"READ"}
    owners = [other.id for other in DEPARTMENTS if allowed(f"dept-{other.id}", "GROUP", f"{department}.readers")]
    assert owners == [department]


@pytest.mark.parametrize(
    ("program", "operations"), [("landing", {"READ"}), ("watch", {"DESCRIBE"}), ("announce", set()), ("repair", set())]
)
def test_a_program_has_one_right_on_events(program, operations):
    assert {frozenset(allowed(program, "TOPIC", item.topic)) for item in CONTRACTS if item.kind == "source"} == {
        frozenset(operations)
    }


def test_repairs_and_announcements_have_one_writer_each():
    acls = kafka_acls(CONTRACTS, DEPARTMENTS)
    writers = {acl.name: acl.principal for acl in acls if acl.operation == "WRITE" and acl.name.startswith("commonweal.")}
    repairs = {item.repair_topic: "repair" for item in CONTRACTS if item.kind == "source"}
    assert writers == repairs | {RELEASES_TOPIC: "announce"}


def test_nobody_may_use_transactions_or_the_cluster_or_hold_a_right_on_all_topics():
    acls = kafka_acls(CONTRACTS, DEPARTMENTS)
    assert acls
    assert {acl.resource for acl in acls} == {"TOPIC", "GROUP"}
    assert {acl.operation for acl in acls} == {"READ", "WRITE", "DESCRIBE"}
    assert not [acl for acl in acls if acl.name == "*" or (acl.prefixed and acl.resource == "TOPIC")]
    assert {acl.principal for acl in acls} <= set(kafka_principals(DEPARTMENTS))


def test_a_product_has_no_topic():
    assert not [acl for acl in kafka_acls(CONTRACTS, DEPARTMENTS) if "digest" in acl.name]


def test_the_order_of_contracts_changes_nothing():
    assert kafka_acls(CONTRACTS[::-1], DEPARTMENTS[::-1]) == kafka_acls(CONTRACTS, DEPARTMENTS)
    assert kafka_principals(DEPARTMENTS) == tuple(sorted({*KAFKA_PROGRAMS, "dept-office", "dept-office_two", "dept-bureau"}))


def may(user: str, action: str, resource: str) -> bool:
    statements = minio_policies(BUCKETS)[user]["Statement"]
    arn = f"arn:aws:s3:::{resource}"
    return any(action in part["Action"] and any(fnmatchcase(arn, pattern) for pattern in part["Resource"]) for part in statements)


OBJECTS = {
    "landing/office/paper/data/a.parquet": {"spark": "GPD"},
    "landing/office/paper/metadata/a.json": {"spark": "GPD", "pipeline": "GPD"},
    "lakehouse/office/paper/data/a.parquet": {"spark": "GPD", "query": "G"},
    "lakehouse/history/office/paper/metadata/a.json": {"spark": "GPD", "pipeline": "GPD", "query": "G"},
    "reports/office.paper/1.html": {"pipeline": "GP", "auditor": "G"},
    "elsewhere/metadata/a.json": {},
    "elsewhere/x/metadata/a.json": {},
}
ACTIONS = {"G": "s3:GetObject", "P": "s3:PutObject", "D": "s3:DeleteObject"}


@pytest.mark.parametrize("user", MINIO_USERS)
@pytest.mark.parametrize("name", OBJECTS)
def test_each_user_has_its_objects_and_no_others(user, name):
    letters = "".join(letter for letter, action in ACTIONS.items() if may(user, action, name))
    assert letters == OBJECTS[name].get(user, "")


@pytest.mark.parametrize("user", MINIO_USERS)
def test_a_policy_names_buckets_and_single_actions(user):
    document = minio_policies(BUCKETS)[user]
    assert "s3:*" not in json.dumps(document)
    assert {part["Effect"] for part in document["Statement"]} == {"Allow"}
    buckets = {arn.removeprefix("arn:aws:s3:::").split("/")[0] for part in document["Statement"] for arn in part["Resource"]}
    assert buckets <= {"landing", "lakehouse", "reports"}


def privileges(role: str, name: str) -> set[str]:
    return {grant.privilege for grant in postgres_grants(DEPARTMENTS) if grant.role == role and grant.name == name}


@pytest.mark.parametrize("role", postgres_roles(DEPARTMENTS))
def test_nobody_changes_evidence(role):
    allowed_on_evidence = {"pipeline": {"SELECT", "INSERT"}, "query": {"SELECT", "INSERT"}, "auditor": {"SELECT"}}
    assert privileges(role, "evidence") == allowed_on_evidence.get(role, set())


@pytest.mark.parametrize(
    "role", [role for role in postgres_roles(DEPARTMENTS) if role not in ("pipeline", "query", "spark", "announce")]
)
def test_people_and_watch_only_read(role):
    assert {grant.privilege for grant in postgres_grants(DEPARTMENTS) if grant.role == role} == {"SELECT"}


def test_spark_sees_the_catalog_only():
    assert {grant.name for grant in postgres_grants(DEPARTMENTS) if grant.role == "spark"} == {
        "iceberg_tables",
        "iceberg_namespace_properties",
    }


def test_announce_marks_what_it_sent_and_changes_nothing_else():
    assert privileges("announce", "outbox") == {"SELECT"}
    assert privileges("announce", "outbox.sent_at") == {"UPDATE"}
    assert {grant.name for grant in postgres_grants(DEPARTMENTS) if grant.role == "announce"} == {"outbox", "outbox.sent_at"}


def test_leases_can_be_locked_but_not_deleted():
    assert privileges("pipeline", "lease") == {"SELECT", "INSERT", "UPDATE"}
    lockers = {grant.role for grant in postgres_grants(DEPARTMENTS) if grant.name == "lease" and grant.privilege != "SELECT"}
    assert lockers == {"pipeline"}


def test_only_what_people_take_back_can_be_deleted_and_nothing_truncated():
    deleted = {grant.name for grant in postgres_grants(DEPARTMENTS) if grant.privilege == "DELETE"}
    assert deleted == {"hold", "rolled_back"}
    assert {grant.privilege for grant in postgres_grants(DEPARTMENTS)} == {"SELECT", "INSERT", "UPDATE", "DELETE"}


@pytest.mark.parametrize("department", [department.id for department in DEPARTMENTS])
def test_a_department_reads_releases(department):
    assert {grant.name for grant in postgres_grants(DEPARTMENTS) if grant.role == f"dept_{department}"} == {
        "release",
        "current_release",
    }
