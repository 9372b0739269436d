"""The one room for Kafka: options, connections, offsets and topic ids.

kafka-python retries whatever goes wrong while it connects, and after half a minute reports a time-out, be it a wrong
password, a missing CA or a stopped broker. So a connection starts with ``sign_in``: one blocking TLS and SCRAM exchange, whose
first failure says what is wrong. Nothing outside this module handles an error of Kafka's client.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors
from kafka.protocol.consumer import OffsetSpec

from commonweal.bus.login import CONNECT_SECONDS, MECHANISM, authenticate, cause, dial
from commonweal.errors import AccessDeniedError, CommonwealError, ConfigError, TransientError
from commonweal.settings import Settings

_GRANTS = "grants follow the contracts, see: commonweal apply --plan"

# Codes of Kafka's protocol (https://kafka.apache.org/protocol#protocol_error_codes).
_NO_ERROR, _UNKNOWN_TOPIC, _TOPIC_DENIED = 0, 3, 29


class _Closable(Protocol):
    def close(self) -> None: ...


Client = TypeVar("Client", bound=_Closable)


def client_options(settings: Settings, principal: str) -> dict[str, Any]:
    """Connection options of kafka-python for a principal, whose password is the secret ``kafka-<principal>``.

    Raises:
        ConfigError: Address, CA file or secret is missing.
    """
    return {
        "bootstrap_servers": _servers(settings),
        "client_id": f"commonweal-{principal}",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": MECHANISM,
        "sasl_plain_username": principal,
        "sasl_plain_password": settings.secret(f"kafka-{principal}"),
        "ssl_cafile": str(_ca(settings)),
        "ssl_check_hostname": True,
        "bootstrap_timeout_ms": int(CONNECT_SECONDS * 1000),
    }


def consumer_options(settings: Settings, principal: str) -> dict[str, Any]:
    """Like ``client_options``, with the consumer's unsafe defaults turned off.

    Nothing is committed unasked, a missing position is an error and not a skip, and aborted records aren't read. Without a
    group, for use with ``assign``: a ``subscribe`` that the broker denies would poll nothing for ever.
    """
    safe = {"enable_auto_commit": False, "auto_offset_reset": "none", "isolation_level": "read_committed", "group_id": None}
    return client_options(settings, principal) | safe


def spark_options(settings: Settings) -> dict[str, str]:
    """Options of Spark's Kafka source; the login is a JAAS file of the Spark server, so no secret is among them."""
    return {
        "kafka.bootstrap.servers": ",".join(_servers(settings)),
        "kafka.security.protocol": "SASL_SSL",
        "kafka.sasl.mechanism": MECHANISM,
        "kafka.ssl.truststore.type": "PEM",
        "kafka.ssl.truststore.location": str(_ca(settings)),
        "kafka.ssl.endpoint.identification.algorithm": "https",
        "kafka.isolation.level": "read_committed",
        "failOnDataLoss": "true",
    }


def admin(settings: Settings, principal: str) -> AbstractContextManager[KafkaAdminClient]:
    """An admin client, also the one to ask for offsets and topic ids; errors within the block become the platform's own."""
    return _connected(settings, principal, lambda: KafkaAdminClient(**client_options(settings, principal)))


@contextmanager
def producer(settings: Settings, principal: str, **more: object) -> Iterator[KafkaProducer]:
    """An idempotent producer that waits for all replicas; errors within the block become the platform's own.

    Args:
        settings: Addresses and secrets.
        principal: Who writes.
        more: Further options of ``KafkaProducer``.
    """
    options = client_options(settings, principal) | {"enable_idempotence": True, "acks": "all", "max_block_ms": 10_000} | more
    with _connected(settings, principal, lambda: KafkaProducer(**options)) as client:
        try:
            yield client
        except BaseException:
            abandon(client)
            raise


def abandon(client: KafkaProducer) -> None:
    """Give up every record that the broker hasn't acknowledged, so that closing the producer ends.

    Without it closing waits for ever for a broker that is gone; ``close(timeout=…)`` raises before it comes to stopping.
    """
    client._sender.force_close()


def consumer(settings: Settings, principal: str, **more: object) -> AbstractContextManager[KafkaConsumer]:
    """A consumer with safe defaults, for ``assign``; errors within the block become the platform's own.

    Args:
        settings: Addresses and secrets.
        principal: Who reads.
        more: Further options of ``KafkaConsumer``.
    """
    options = consumer_options(settings, principal) | more
    return _connected(settings, principal, lambda: KafkaConsumer(**options))


def topic_ids(client: KafkaAdminClient, topics: Iterable[str]) -> dict[str, str]:
    """The id (a UUID) of each topic; a topic made anew under the same name has another one. Missing topics are left out.

    Raises:
        AccessDeniedError: The principal may not describe a topic.
    """
    return {name: str(uuid.UUID(str(topic["topic_id"]))) for name, topic in _described(client, topics).items()}


def topic_id(client: KafkaAdminClient, topic: str) -> str:
    """The id (a UUID) of one topic.

    Raises:
        ConfigError: There is no such topic.
        AccessDeniedError: The principal may not describe it.
    """
    ids = topic_ids(client, [topic])
    if topic not in ids:
        raise ConfigError(f"topic {topic} is not in Kafka; run: commonweal apply")
    return ids[topic]


def partitions(client: KafkaAdminClient, topics: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """The partitions of each topic; missing topics are left out.

    Raises:
        AccessDeniedError: The principal may not describe a topic.
    """
    described = _described(client, topics).items()
    return {name: tuple(sorted(part["partition_index"] for part in topic["partitions"])) for name, topic in described}


def end_offsets(client: KafkaAdminClient, topics: Iterable[str]) -> dict[str, dict[int, int]]:
    """Per topic and partition the offset after the last record, transaction markers counted; missing topics are left out."""
    return _offsets(client, topics, OffsetSpec.LATEST)


def beginning_offsets(client: KafkaAdminClient, topics: Iterable[str]) -> dict[str, dict[int, int]]:
    """Per topic and partition the first offset that Kafka still holds; missing topics are left out."""
    return _offsets(client, topics, OffsetSpec.EARLIEST)


def sign_in(settings: Settings, principal: str) -> None:
    """One TLS and SCRAM exchange with the first broker that answers.

    Raises:
        ConfigError: Password, CA or protocol is wrong; the message says which.
        TransientError: No broker answers.
    """
    if not accepts_password(settings, principal):
        raise ConfigError(f"Kafka refuses principal {principal}: its password is not the one in secret kafka-{principal}")


def accepts_password(settings: Settings, principal: str) -> bool:
    """Whether the broker knows the principal by the password in its secret file.

    Raises:
        ConfigError: CA or protocol is wrong; the message says which.
        TransientError: No broker answers.
    """
    options = client_options(settings, principal)
    failures = []
    for server in options["bootstrap_servers"]:
        try:
            with dial(server, _ca(settings)) as channel:
                return authenticate(channel, options)
        except OSError as error:
            failures.append(f"{server} ({cause(error)})")
    raise TransientError(f"Kafka is unreachable at {', '.join(failures)}; is the broker running? see: commonweal stack status")


def translated(error: kafka_errors.KafkaError, principal: str) -> CommonwealError:
    """The platform's error for one of Kafka's client, by what the caller does next; names no record."""
    name = type(error).__name__
    if isinstance(error, kafka_errors.AuthorizationError):
        return AccessDeniedError(f"Kafka denies principal {principal}: {name}; {_GRANTS}")
    if isinstance(error, kafka_errors.UnknownTopicOrPartitionError):
        return ConfigError(f"Kafka has no such topic or partition (principal {principal}); run: commonweal apply")
    if getattr(error, "retriable", False) or isinstance(error, kafka_errors.KafkaConnectionError):
        return TransientError(f"Kafka did not answer principal {principal} in time: {name}; see: commonweal stack status")
    return ConfigError(f"Kafka refused a request of principal {principal}: {name}; see the broker's log")


@contextmanager
def _connected(settings: Settings, principal: str, make: Callable[[], Client]) -> Iterator[Client]:
    sign_in(settings, principal)
    try:
        client = make()
        try:
            yield client
        finally:
            client.close()
    except kafka_errors.KafkaError as error:
        raise translated(error, principal) from None


def _servers(settings: Settings) -> list[str]:
    servers = [server.strip() for server in settings.kafka_bootstrap.split(",") if server.strip()]
    if not servers:
        raise ConfigError("COMMONWEAL_KAFKA_BOOTSTRAP is empty; start the stack or set it to host:port")
    return servers


def _ca(settings: Settings) -> str:
    if not settings.kafka_ca.is_file():
        raise ConfigError(f"the CA file {settings.kafka_ca} is missing; start the stack or set COMMONWEAL_KAFKA_CA")
    return str(settings.kafka_ca)


def _described(client: KafkaAdminClient, topics: Iterable[str]) -> dict[str, dict[str, Any]]:
    names = sorted(set(topics))
    if not names:
        return {}
    found = {topic["name"]: topic for topic in client.describe_topics(names)}
    for name, topic in found.items():
        if topic["error_code"] == _TOPIC_DENIED:
            raise AccessDeniedError(f"Kafka denies access to topic {name}; {_GRANTS}")
        if topic["error_code"] not in (_NO_ERROR, _UNKNOWN_TOPIC):
            raise kafka_errors.for_code(topic["error_code"])()
    return {name: topic for name, topic in found.items() if topic["error_code"] == _NO_ERROR}


def _offsets(client: KafkaAdminClient, topics: Iterable[str], spec: OffsetSpec) -> dict[str, dict[int, int]]:
    known = partitions(client, topics)
    wanted = [TopicPartition(name, number) for name, numbers in known.items() for number in numbers]
    result: dict[str, dict[int, int]] = {name: {} for name in known}
    if wanted:
        for partition, found in client.list_partition_offsets(dict.fromkeys(wanted, spec)).items():
            result[partition.topic][partition.partition] = found.offset
    return {name: dict(sorted(offsets.items())) for name, offsets in result.items()}
