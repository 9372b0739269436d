"""``apply`` on running servers: a second run does nothing, what drifted is put right, what would destroy data is left alone."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourceType,
)

from commonweal import bus
from commonweal.apply import Change, apply
from commonweal.apply.minio import administrator
from commonweal.lake.catalog import catalog
from commonweal.settings import Settings
from commonweal.store import client

GUEST = "access_guest"
TOPIC = f"{GUEST}.service_request.v1"
SYSTEMS = ("postgres", "minio", "kafka")


def test_a_second_run_over_everything_finds_nothing_to_do(stack):
    apply(stack.settings)
    assert apply(stack.settings) == []


def outline(changes: list[Change]) -> set[tuple[str, str, str]]:
    return {(change.action, change.kind, change.name) for change in changes}


def put_right(settings: Settings, system: str, expected: set[tuple[str, str, str]]) -> None:
    """A plan says what differs and changes nothing; apply puts it right; then nothing is left."""
    assert outline(apply(settings, plan=True, only=[system])) == expected
    assert outline(apply(settings, only=[system])) == expected
    assert apply(settings, plan=True, only=[system]) == []


def rule(principal: str, operation: ACLOperation) -> ACL:
    pattern = ResourcePattern(ResourceType.TOPIC, TOPIC)
    return ACL(f"User:{principal}", "*", operation, ACLPermissionType.ALLOW, pattern)


def test_a_permission_that_no_contract_gives_is_revoked_and_a_missing_one_granted(guest):
    with bus.admin(guest, "admin") as admin:
        assert not admin.create_acls([rule(f"dept-{GUEST}", ACLOperation.READ), rule("dept-hotline", ACLOperation.ALL)])["failed"]
        admin.delete_acls([rule("watch", ACLOperation.DESCRIBE)])
    expected = {
        ("revoke", "acl", f"dept-{GUEST} may READ topic {TOPIC}"),
        ("revoke", "acl", f"dept-hotline may ALL topic {TOPIC}"),
        ("grant", "acl", f"watch may DESCRIBE topic {TOPIC}"),
    }
    put_right(guest, "kafka", expected)


@pytest.fixture
def _everybody_may_describe(guest) -> Iterator[None]:
    with bus.admin(guest, "admin") as admin:
        assert not admin.create_acls([rule("*", ACLOperation.DESCRIBE)])["failed"]
        yield
        admin.delete_acls([rule("*", ACLOperation.DESCRIBE)])


@pytest.mark.usefixtures("_everybody_may_describe")
def test_a_permission_for_everybody_is_reported(guest):
    assert outline(apply(guest, only=["kafka"])) == {("extra", "acl", f"* may DESCRIBE topic {TOPIC}")}


def set_topic(admin: KafkaAdminClient, **values: str) -> None:
    named = {key.replace("_", "."): value for key, value in values.items()}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC, named)], raise_on_unknown=False)


def setting(admin: KafkaAdminClient, key: str) -> str:
    found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC)], config_filter="all")
    return found["topic"][TOPIC][key]["value"]


def test_a_setting_that_drifted_is_put_right(guest):
    with bus.admin(guest, "admin") as admin:
        set_topic(admin, message_timestamp_type="CreateTime", cleanup_policy="compact")
        put_right(guest, "kafka", {("change", "topic", TOPIC)})
        assert setting(admin, "message.timestamp.type") == "LogAppendTime"
        assert setting(admin, "cleanup.policy") == "delete"


def test_retention_is_never_shortened(guest):
    with bus.admin(guest, "admin") as admin:
        wanted = setting(admin, "retention.ms")
        set_topic(admin, retention_ms="-1")
        assert outline(apply(guest, only=["kafka"])) == {("extra", "topic", TOPIC)}
        assert setting(admin, "retention.ms") == "-1"
        set_topic(admin, retention_ms="60000")
        put_right(guest, "kafka", {("change", "topic", TOPIC)})
        assert setting(admin, "retention.ms") == wanted


def with_partitions(settings: Settings, folder: Path, count: int) -> Settings:
    shutil.copytree(settings.schemas_dir, folder)
    path = folder / GUEST / "service_request.yaml"
    text = path.read_text()
    assert "{property: partitions, value: 2}" in text
    path.write_text(text.replace("{property: partitions, value: 2}", f"{{property: partitions, value: {count}}}"))
    return settings.model_copy(update={"schemas_dir": folder})


def test_partitions_are_added_and_never_taken_away(guest, tmp_path):
    put_right(with_partitions(guest, tmp_path / "more", 3), "kafka", {("change", "topic", TOPIC)})
    assert outline(apply(guest, only=["kafka"])) == {("extra", "topic", TOPIC)}
    with bus.admin(guest, "admin") as admin:
        admin.delete_topics([TOPIC])
    apply(guest, only=["kafka"])


def test_a_new_topic_of_the_same_name_has_another_id(guest):
    with bus.admin(guest, "admin") as admin:
        before = bus.topic_id(admin, TOPIC)
        admin.delete_topics([TOPIC])
        put_right(guest, "kafka", {("create", "topic", TOPIC)})
        assert bus.topic_id(admin, TOPIC) != before


def test_a_property_of_a_table_that_drifted_is_put_right(stack):
    lake = catalog(stack.settings, "pipeline")
    name = ("landing", "hotline", "service_request")
    with lake.load_table(name).transaction() as change:
        change.set_properties({"write.delete.mode": "merge-on-read"})
    put_right(stack.settings, "tables", {("change", "table", ".".join(("lake", *name)))})
    assert lake.load_table(name).properties["write.delete.mode"] == "copy-on-write"


@pytest.mark.parametrize(
    ("system", "kind", "name"), [("kafka", "principal", f"dept-{GUEST}"), ("postgres", "role", f"dept_{GUEST}")]
)
def test_a_new_secret_replaces_the_password(guest, system, kind, name):
    path = guest.secrets_dir / f"{system}-{name}"
    before = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("0123456789abcdef0123456789abcdef")
    put_right(guest, system, {("change", kind, name)})
    path.write_text(before)
    apply(guest, only=[system])


def test_who_left_the_register_loses_access_and_no_topic_goes(guest, stack):
    changes = apply(stack.settings, plan=True, only=SYSTEMS)
    assert {change.action for change in changes} == {"revoke"}
    assert {change.kind for change in changes} >= {"principal", "acl", "role"}
    assert all(GUEST in change.name for change in changes)
    assert apply(guest, plan=True, only=SYSTEMS) == []


def test_a_grant_that_no_rule_gives_is_revoked(guest):
    place = {"host": guest.database_host, "port": guest.database_port, "dbname": guest.database_name}
    with psycopg.connect(**place, user="commonweal", password=guest.secret("postgres-commonweal"), autocommit=True) as owner:
        owner.execute("grant update, truncate on evidence to watch")
        owner.execute("grant update (body) on evidence to public")
        owner.execute("grant connect on database commonweal to public")
        owner.execute("grant pipeline to query")
        owner.execute("revoke select on lease from watch")
    expected = {
        ("revoke", "table", "watch may TRUNCATE, UPDATE evidence"),
        ("revoke", "column", "public may UPDATE evidence.body"),
        ("revoke", "database", "public may CONNECT commonweal"),
        ("revoke", "role", "query"),
        ("grant", "table", "watch may SELECT lease"),
    }
    put_right(guest, "postgres", expected)


def test_the_store_is_put_right(guest):
    root, admin = client(guest, "root"), administrator(guest)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}]}
    reading = {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::reports/*"]}
    admin.policy_add("commonweal-query", policy=everything)
    admin.policy_set("readwrite", user="auditor")
    admin.user_disable("pipeline")
    root.set_bucket_policy(bucket_name="reports", policy=json.dumps({"Version": "2012-10-17", "Statement": [reading]}))
    root.delete_bucket_encryption(bucket_name="reports")
    expected = {
        ("change", "policy", "commonweal-query"),
        ("grant", "policy", "auditor has commonweal-auditor alone"),
        ("change", "user", "pipeline"),
        ("revoke", "bucket policy", "reports"),
        ("change", "bucket", "reports"),
    }
    put_right(guest, "minio", expected)


def test_no_secret_is_shown(guest):
    (guest.secrets_dir / f"kafka-dept-{GUEST}").unlink()
    changes = apply(guest, only=["kafka"])
    assert outline(changes) == {("change", "principal", f"dept-{GUEST}")}
    assert guest.secret(f"kafka-dept-{GUEST}") not in repr(changes)
