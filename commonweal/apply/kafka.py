"""Kafka as the contracts want it: topics, principals, permissions.

Never destroys a record: no topic is deleted, none loses partitions, no retention is shortened; such differences are only
reported. Permissions of our principals that no contract gives are revoked, since access must equal the contracts.
"""

from collections.abc import Iterable, Iterator
from functools import partial

from kafka import KafkaAdminClient
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
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from commonweal import bus
from commonweal.apply.changes import Change, Operation, carry_out
from commonweal.apply.secret_files import ensure_secret, has_secret
from commonweal.bus.login import MECHANISM
from commonweal.contract.model import Contract, Department
from commonweal.errors import AccessDeniedError, ConfigError
from commonweal.render.access import KAFKA_PROGRAMS, RELEASES_TOPIC, Acl, kafka_acls, kafka_principals
from commonweal.render.topic import Topic, repair_topic, topic
from commonweal.settings import Settings

ITERATIONS = 8192
"""Rounds of PBKDF2 in a stored SCRAM credential: twice Kafka's least."""

RELEASES = Topic(
    name=RELEASES_TOPIC,
    partitions=1,
    settings={
        "cleanup.policy": "delete",
        "max.message.bytes": "1048576",
        "message.timestamp.type": "LogAppendTime",
        "retention.bytes": "-1",
        "retention.ms": "-1",
        "unclean.leader.election.enable": "false",
    },
)
"""The announcements: few, small, kept for good, so that a late subscriber sees all releases."""

_RETENTIONS = ("retention.ms", "retention.bytes", "local.retention.ms", "local.retention.bytes")
_ALL = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
_EVERY_ACL = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, _ALL)


def apply_kafka(
    settings: Settings, contracts: Iterable[Contract], departments: Iterable[Department], *, plan: bool
) -> list[Change]:
    """Bring topics, principals and permissions in line with the contracts.

    Raises:
        AccessDeniedError: The principal ``admin`` is not a super user.
        ConfigError: Address, CA or secret is wrong.
        TransientError: Kafka is unreachable.
    """
    wanted, known = tuple(contracts), tuple(departments)
    with bus.admin(settings, "admin") as client:
        # First, for it says at once whether we may administer; the question for principals would hang for half a minute.
        present = set(client.describe_acls(_EVERY_ACL)[0])
        changes = carry_out(_topics(client, wanted_topics(wanted)), plan=plan)
        changes += carry_out(_principals(client, settings, kafka_principals(known)), plan=plan)
        return changes + carry_out(_acls(client, present, kafka_acls(wanted, known)), plan=plan)


def apply_topics(settings: Settings, contracts: Iterable[Contract]) -> list[Change]:
    """Bring the topics alone in line: while no principal has a right yet, nobody else can write to them.

    Raises:
        ConfigError, TransientError: As ``apply_kafka``.
    """
    with bus.admin(settings, "admin") as client:
        return carry_out(_topics(client, wanted_topics(contracts)), plan=False)


def wanted_topics(contracts: Iterable[Contract]) -> tuple[Topic, ...]:
    """Every topic that must exist; a product has none of its own."""
    sources = [contract for contract in contracts if contract.kind == "source"]
    return (RELEASES, *(render(contract) for contract in sources for render in (topic, repair_topic)))


def _topics(client: KafkaAdminClient, wanted: tuple[Topic, ...]) -> Iterator[Operation]:
    counts = {name: len(offsets) for name, offsets in bus.partitions(client, [item.name for item in wanted]).items()}
    present = _settings_of(client, list(counts))
    for item in wanted:
        if item.name not in counts:
            yield Operation(Change("kafka", "create", "topic", item.name, _described(item)), partial(_create, client, item))
            continue
        yield from _partitions(client, item, counts[item.name])
        yield from _settings(client, item, present[item.name])


def _described(item: Topic) -> str:
    return f"{item.partitions} partitions, " + ", ".join(f"{key}={value}" for key, value in sorted(item.settings.items()))


def _create(client: KafkaAdminClient, item: Topic) -> None:
    client.create_topics({item.name: {"num_partitions": item.partitions, "configs": dict(item.settings)}}, wait_for_metadata=True)


def _partitions(client: KafkaAdminClient, item: Topic, count: int) -> Iterator[Operation]:
    detail = f"partitions {count} -> {item.partitions}"
    if count < item.partitions:
        grow = partial(_add_partitions, client, item)
        yield Operation(Change("kafka", "change", "topic", item.name, detail), grow)
    elif count > item.partitions:
        yield Operation(Change("kafka", "extra", "topic", item.name, f"{detail}: partitions can't be taken away"))


def _add_partitions(client: KafkaAdminClient, item: Topic) -> None:
    client.create_partitions({item.name: item.partitions})


def _settings_of(client: KafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found = client.describe_configs(resources, config_filter="all").get("topic", {})
    return {name: {key: entry["value"] for key, entry in entries.items()} for name, entries in found.items()}


def _settings(client: KafkaAdminClient, item: Topic, present: dict[str, str]) -> Iterator[Operation]:
    for key, value in sorted(item.settings.items()):
        if present.get(key) == value:
            continue
        detail = f"{key} {present.get(key)} -> {value}"
        if key in _RETENTIONS and _shortens(present.get(key), value):
            yield Operation(Change("kafka", "extra", "topic", item.name, f"{detail}: would delete records, change it by hand"))
        else:
            yield Operation(Change("kafka", "change", "topic", item.name, detail), partial(_set, client, item.name, key, value))


def _shortens(present: str | None, wanted: str) -> bool:
    # -1 keeps for ever.
    return wanted != "-1" and (present in (None, "-1") or int(wanted) < int(present))


def _set(client: KafkaAdminClient, name: str, key: str, value: str) -> None:
    # The client returns refusals, it doesn't raise them.
    answers = client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {key: value})], raise_on_unknown=False)
    if answers["topic"][name] != "OK":
        raise ConfigError(
            f"Kafka refused {key} of topic {name}; principal admin must be a super user, and the contract's value valid"
        )


def _principals(client: KafkaAdminClient, settings: Settings, wanted: tuple[str, ...]) -> Iterator[Operation]:
    present = client.describe_user_scram_credentials()
    for name in wanted:
        store = partial(_store_password, client, settings, name)
        if name not in present:
            yield Operation(Change("kafka", "create", "principal", name), store)
        elif not has_secret(settings, f"kafka-{name}") or not bus.accepts_password(settings, name):
            yield Operation(Change("kafka", "change", "principal", name, "password is not the one in its secret file"), store)
    for name in sorted(set(present) - set(wanted)):
        if _is_ours(name):
            yield Operation(Change("kafka", "revoke", "principal", name, "no contract names it"), partial(_remove, client, name))


def _is_ours(principal: str) -> bool:
    return principal in KAFKA_PROGRAMS or principal.startswith("dept-")


def _store_password(client: KafkaAdminClient, settings: Settings, name: str) -> None:
    password = ensure_secret(settings, f"kafka-{name}")
    upsertion = UserScramCredentialUpsertion(name, MECHANISM, password, iterations=ITERATIONS)
    _refuse_denials(client.alter_user_scram_credentials([upsertion]), "storing a password")


def _remove(client: KafkaAdminClient, name: str) -> None:
    _refuse_denials(client.alter_user_scram_credentials([UserScramCredentialDeletion(name, MECHANISM)]), "removing a principal")


def _refuse_denials(answers: dict[str, str | None], what: str) -> None:
    # The client returns denials, it doesn't raise them.
    denied = sorted(name for name, error in answers.items() if error is not None)
    if denied:
        raise AccessDeniedError(f"{what} was refused by Kafka for {', '.join(denied)}; principal admin must be a super user")


def _acls(client: KafkaAdminClient, present: set[ACL], wanted: tuple[Acl, ...]) -> Iterator[Operation]:
    asked = {_rendered(acl): acl for acl in wanted}
    for rule in (rule for rule in asked if rule not in present):
        yield Operation(Change("kafka", "grant", "acl", _shown(rule)), partial(_grant, client, rule))
    for rule in sorted(present - set(asked), key=_shown):
        if _is_ours(rule.principal.removeprefix("User:")):
            yield Operation(
                Change("kafka", "revoke", "acl", _shown(rule), "no contract gives it"), partial(_revoke, client, rule)
            )
        elif rule.principal == "User:*":
            yield Operation(Change("kafka", "extra", "acl", _shown(rule), "holds for everybody; not ours to revoke"))


def _rendered(acl: Acl) -> ACL:
    pattern = ACLResourcePatternType.PREFIXED if acl.prefixed else ACLResourcePatternType.LITERAL
    return ACL(
        principal=f"User:{acl.principal}",
        host="*",
        operation=ACLOperation[acl.operation],
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(ResourceType[acl.resource], acl.name, pattern),
    )


def _shown(rule: ACL) -> str:
    pattern = rule.resource_pattern
    star = "*" if pattern.pattern_type is ACLResourcePatternType.PREFIXED else ""
    denial = "" if rule.permission_type is ACLPermissionType.ALLOW else "not "
    who = rule.principal.removeprefix("User:")
    return f"{who} may {denial}{rule.operation.name} {pattern.resource_type.name.lower()} {pattern.resource_name}{star}"


def _grant(client: KafkaAdminClient, rule: ACL) -> None:
    if client.create_acls([rule])["failed"]:
        raise AccessDeniedError(f"Kafka refused to grant: {_shown(rule)}; principal admin must be a super user")


def _revoke(client: KafkaAdminClient, rule: ACL) -> None:
    pattern = rule.resource_pattern
    exact = ResourcePatternFilter(pattern.resource_type, pattern.resource_name, pattern.pattern_type)
    matching = ACLFilter(rule.principal, rule.host, rule.operation, rule.permission_type, exact)
    ((_, removed, _),) = client.delete_acls([matching])
    if len(removed) != 1:
        raise AccessDeniedError(f"Kafka refused to revoke: {_shown(rule)}; principal admin must be a super user")
