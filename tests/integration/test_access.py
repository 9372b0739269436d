"""What Kafka itself allows and denies, on a running broker, after ``apply``: the matrix of departments, programs and topics.

A department of its own is applied for these tests, so that no record reaches a dataset that others land. Break the guard by
granting ``dept-*`` a prefix in ``commonweal.render.access``, and the matrix turns red.
"""

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    UserScramCredentialUpsertion,
)
from kafka.errors import (
    AuthorizationError,
    ClusterAuthorizationFailedError,
    KafkaError,
    TransactionalIdAuthorizationFailedError,
)

from commonweal import bus
from commonweal.contract.loader import load_contracts, load_departments
from commonweal.errors import AccessDeniedError, ConfigError
from commonweal.lake.spark import session
from commonweal.render.access import RELEASES_TOPIC, kafka_principals
from commonweal.settings import Settings

GUEST = "access_guest"
TOPIC = f"{GUEST}.service_request.v1"
REPAIR_TOPIC = f"commonweal.repair.{TOPIC}"


@pytest.fixture(scope="module")
def settings(guest) -> Settings:
    """With the contracts of the guest department (see ``conftest.py``)."""
    return guest


def topics(settings: Settings) -> list[str]:
    contracts = [contract for contract in load_contracts(settings.schemas_dir).values() if contract.kind == "source"]
    found = [topic for contract in contracts for topic in contract.topics]
    assert {TOPIC, REPAIR_TOPIC} < set(found)
    return [*found, RELEASES_TOPIC]


def principals(settings: Settings) -> tuple[str, ...]:
    found = kafka_principals(load_departments(settings.schemas_dir).values())
    assert f"dept-{GUEST}" in found
    return found


def is_denied(producer: KafkaProducer, topic: str) -> bool:
    try:
        producer.send(topic, b"{}").get(timeout=20)
    except KafkaError as error:
        # A principal that may write nowhere gets no producer id; that too names the missing right.
        return "AuthorizationFailed" in str(error)
    return False


def expected(principal: str, topic: str) -> set[str]:
    """What the principal may do with the topic, said here a second time, apart from the renderer."""
    if principal.startswith("dept-"):
        own = topic.startswith(f"{principal.removeprefix('dept-')}.")
        return {"WRITE", "DESCRIBE"} if own else {"READ", "DESCRIBE"} if topic == RELEASES_TOPIC else set()
    writers = {"announce": topic == RELEASES_TOPIC, "repair": topic.startswith("commonweal.repair.")}
    if principal in writers:
        return {"WRITE", "DESCRIBE"} if writers[principal] else set()
    return set() if topic == RELEASES_TOPIC else {"landing": {"READ", "DESCRIBE"}, "watch": {"DESCRIBE"}}[principal]


def test_the_broker_allows_each_principal_what_is_meant_and_no_more(settings):
    for principal in principals(settings):
        with bus.admin(settings, principal) as client:
            answers = {answer["name"]: answer for answer in client.describe_topics(topics(settings))}
        for topic in topics(settings):
            allowed = set() if answers[topic]["error_code"] == 29 else set(answers[topic]["authorized_operations"])
            assert allowed == expected(principal, topic), f"{principal} on {topic}"


@pytest.mark.parametrize("principal", ["dept-hotline", "dept-data_bureau", "landing", "watch", "announce", "repair"])
def test_a_foreign_department_topic_takes_no_record(settings, principal):
    with bus.producer(settings, principal) as producer:
        assert is_denied(producer, TOPIC)


@pytest.mark.parametrize("topic", ["hotline.service_request.v1", REPAIR_TOPIC, RELEASES_TOPIC, "access_guest.undeclared.v1"])
def test_a_department_writes_nowhere_else(settings, topic):
    with bus.producer(settings, f"dept-{GUEST}") as producer:
        assert is_denied(producer, topic)


@pytest.mark.parametrize(("principal", "topic"), [(f"dept-{GUEST}", TOPIC), ("repair", REPAIR_TOPIC)])
def test_each_writes_to_its_own_topic(settings, principal, topic):
    with bus.producer(settings, principal) as producer:
        assert producer.send(topic, b"{}").get(timeout=20).offset >= 0


def test_a_denied_send_does_not_stop_the_next_allowed_one(settings):
    with bus.producer(settings, f"dept-{GUEST}") as producer:
        assert is_denied(producer, "hotline.service_request.v1")
        assert producer.send(TOPIC, b"{}").get(timeout=20).offset >= 0


def read(settings: Settings, principal: str, topic: str) -> int:
    with bus.consumer(settings, principal) as consumer:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        assert partitions
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        return sum(len(records) for records in consumer.poll(5000).values())


def test_landing_reads_what_a_department_wrote_and_the_department_does_not(settings):
    with bus.producer(settings, f"dept-{GUEST}") as producer:
        producer.send(TOPIC, b"{}").get(timeout=20)
    assert read(settings, "landing", TOPIC) > 0
    for principal in (f"dept-{GUEST}", "watch"):
        with pytest.raises(AccessDeniedError):
            read(settings, principal, TOPIC)


def test_a_group_belongs_to_the_department_whose_name_it_bears(settings):
    own = {"group_id": f"{GUEST}.readers", "auto_offset_reset": "earliest"}
    with bus.consumer(settings, f"dept-{GUEST}", **own) as consumer:
        consumer.subscribe([RELEASES_TOPIC])
        consumer.poll(5000)
        assert consumer.assignment()
    with (
        pytest.raises(AccessDeniedError),
        bus.consumer(settings, f"dept-{GUEST}", **own | {"group_id": "hotline.readers"}) as consumer,
    ):
        consumer.subscribe([RELEASES_TOPIC])
        consumer.poll(5000)


def test_watch_and_landing_see_offsets_and_ids(settings):
    for principal in ("watch", "landing"):
        with bus.admin(settings, principal) as client:
            ends, starts = bus.end_offsets(client, [TOPIC, REPAIR_TOPIC]), bus.beginning_offsets(client, [TOPIC])
            assert sorted(ends) == sorted([TOPIC, REPAIR_TOPIC])
            assert sorted(ends[TOPIC]) == sorted(starts[TOPIC]) == [0, 1]
            assert len(bus.topic_id(client, TOPIC)) == 36


@pytest.mark.parametrize("principal", ["dept-hotline", "repair", "announce"])
def test_others_do_not_even_see_it(settings, principal):
    with pytest.raises(AccessDeniedError), bus.admin(settings, principal) as client:
        bus.topic_id(client, TOPIC)


EVERY_ACL = ACLFilter(
    None,
    None,
    ACLOperation.ANY,
    ACLPermissionType.ANY,
    ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
)


def everyone_may_write(topic: str) -> ACL:
    pattern = ResourcePattern(ResourceType.TOPIC, topic)
    return ACL("User:*", "*", ACLOperation.WRITE, ACLPermissionType.ALLOW, pattern)


def test_nobody_but_the_administrator_administers(settings):
    for principal in principals(settings):
        with bus.admin(settings, principal) as client:
            refuses_administration(client)


def refuses_administration(client: KafkaAdminClient) -> None:
    for denied in (
        lambda: client.create_topics({"access_guest.more.v1": {"num_partitions": 1}}),
        lambda: client.delete_topics([TOPIC]),
        lambda: client.create_partitions({TOPIC: 9}),
        lambda: client.describe_acls(EVERY_ACL),
    ):
        with pytest.raises(AuthorizationError):
            denied()
    assert client.create_acls([everyone_may_write(TOPIC)]) == {"succeeded": [], "failed": [ClusterAuthorizationFailedError]}
    shorter = ConfigResource(ConfigResourceType.TOPIC, TOPIC, {"retention.ms": "1"})
    assert "TopicAuthorizationFailed" in client.alter_configs([shorter], raise_on_unknown=False)["topic"][TOPIC]
    stolen = UserScramCredentialUpsertion("admin", bus.MECHANISM, "chosen by the attacker")
    assert set(client.alter_user_scram_credentials([stolen]).values()) != {None}


def test_nobody_gets_a_transactional_id(settings):
    options = bus.client_options(settings, f"dept-{GUEST}") | {"transactional_id": f"{GUEST}.one"}
    producer = KafkaProducer(**options)
    try:
        with pytest.raises(TransactionalIdAuthorizationFailedError):
            producer.init_transactions()
    finally:
        bus.abandon(producer)
        producer.close()


def test_a_wrong_password_says_so(settings, tmp_path):
    (tmp_path / "kafka-watch").write_text("not the one")
    (tmp_path / "kafka-watch").chmod(0o600)
    stranger = settings.model_copy(update={"secrets_dir": tmp_path})
    with pytest.raises(ConfigError, match="refuses principal watch: its password"), bus.admin(stranger, "watch"):
        pass


def test_spark_reads_by_a_login_of_its_own_and_no_secret_is_in_its_options(settings):
    with bus.producer(settings, f"dept-{GUEST}") as producer:
        producer.send(TOPIC, b"{}").get(timeout=20)
    options = bus.spark_options(settings)
    secrets = {path.read_text().strip() for path in settings.secrets_dir.glob("kafka-*")}
    assert secrets.isdisjoint(options.values())
    reader = session(settings).read.format("kafka").options(**options)
    assert reader.option("subscribe", TOPIC).option("startingOffsets", "earliest").load().select("value").collect()
