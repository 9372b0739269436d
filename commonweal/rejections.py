"""Rejected events: listed, shown, repaired, replayed, dismissed. A department sees its own; evidence is written first.

A repair doesn't touch what landed: it is a new record in the platform's repair topic, with the original source, event id and
times, the repairer and the reason. The rejection it answers then counts no more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, Engine, text

from commonweal import bus, evidence
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.decoding import Decoder, Record, unpack
from commonweal.errors import AccessDeniedError, ConfigError, ContractError
from commonweal.identity import Place, load_private_key, unseal
from commonweal.lake.catalog import head
from commonweal.lake.commit import Change, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import MAIN, attempt_branch, landing_table
from commonweal.lake.spark import at
from commonweal.people import Person
from commonweal.ports import Ports

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PLACE = ("_kafka_topic", "_kafka_partition", "_kafka_offset")
DISMISSED = text("select topic, partition, record_offset from dismissal where dataset = :dataset")
DISMISS = text("""
insert into dismissal (dataset, topic, partition, record_offset, person, reason)
values (:dataset, :topic, :partition, :offset, :person, :reason) on conflict do nothing
""")


@dataclass(frozen=True)
class Rejection:
    """One rejected record, without its payload.

    Attributes:
        place: Where it stands in Kafka.
        source: CloudEvents source, None when it couldn't be read.
        event_id: CloudEvents id, None when it couldn't be read.
        appended_at: When the broker appended it.
        reasons: ``rule:field``, all that were broken.
        fate: ``open``, ``repaired`` or ``dismissed``.
    """

    place: Place
    source: str | None
    event_id: str | None
    appended_at: datetime
    reasons: tuple[str, ...]
    fate: str


@dataclass(frozen=True)
class Repair:
    """A corrected document for a rejected record."""

    place: Place
    document: Mapping[str, Any]


def with_fates(rejected: "DataFrame", accepted: "DataFrame", spark: "SparkSession", engine: Engine, dataset: str) -> "DataFrame":
    """Rejected landing rows with their ``fate``.

    Answered by a later accepted event of the same (source, id): ``repaired``; by a person: ``dismissed``; else ``open``.
    """
    from pyspark.sql import functions as F

    answers = accepted.groupBy("_source", "_event_id").agg(F.max("_appended_at").alias("_answered_at"))
    with database_errors(f"reading the dismissals of {dataset}"), engine.begin() as connection:
        places = [tuple(row) for row in connection.execute(DISMISSED, {"dataset": dataset})]
    schema = "_kafka_topic string, _kafka_partition int, _kafka_offset long, _dismissed boolean"
    decided = spark.createDataFrame([(*place, True) for place in places], schema)
    judged = rejected.join(answers, ["_source", "_event_id"], "left").join(F.broadcast(decided), list(PLACE), "left")
    fate = (
        F.when(F.col("_answered_at") > F.col("_appended_at"), "repaired").when(F.col("_dismissed"), "dismissed").otherwise("open")
    )
    return judged.withColumn("fate", fate).drop("_answered_at", "_dismissed")


def list_rejections(contract: Contract, ports: Ports, person: Person, *, fate: str = "open", most: int = 1000) -> list[Rejection]:
    """Rejected records of one fate, oldest first.

    Raises:
        AccessDeniedError: The person is of another department.
    """
    _may_see(contract, person)
    landing = _landing(contract, ports)
    rejected = landing.where("not _accepted").select(*PLACE, "_source", "_event_id", "_appended_at", "_reasons")
    judged = with_fates(rejected, landing.where("_accepted"), ports.spark, ports.engine, contract.id)
    rows = judged.where(judged.fate == fate).orderBy(*PLACE).limit(most).collect()
    return [
        Rejection(
            Place(*(row[name] for name in PLACE)),
            row["_source"],
            row["_event_id"],
            row["_appended_at"],
            tuple(row["_reasons"]),
            fate,
        )
        for row in rows
    ]


def show(contract: Contract, ports: Ports, person: Person, places: Iterable[Place], *, reason: str) -> dict[Place, Record]:
    """The payloads of rejected records, unsealed; the evidence that this person saw them is written first.

    Raises:
        AccessDeniedError: The person is of another department.
        ConfigError: A place holds no rejected record with a payload.
    """
    _may_see(contract, person)
    wanted = list(places)
    _evidence(ports, person, "payload_shown", contract.id, wanted, reason)
    sealed = _sealed(contract, ports, wanted)
    key = load_private_key(ports.settings.keys_dir)
    return {place: unpack(unseal(key, sealed[place], contract.id, place)) for place in wanted}


def repair(contract: Contract, ports: Ports, person: Person, repairs: Iterable[Repair], *, reason: str) -> int:
    """Send corrected documents in the place of rejected ones; every document is checked before any is sent.

    Returns:
        How many were sent and acknowledged.

    Raises:
        ContractError: A document breaks a rule of the contract; nothing was sent.
        AccessDeniedError: The person is of another department.
    """
    wanted = {item.place: item.document for item in repairs}
    decoder = Decoder(contract)
    broken = [problem for document in wanted.values() for problem in decoder.problems(dict(document))]
    if broken:
        raise ContractError(
            f"{contract.id}: {len(broken)} rule(s) broken in {len(wanted)} document(s): {', '.join(sorted(set(broken)))}; "
            f"nothing was sent"
        )
    originals = show(contract, ports, person, wanted, reason=reason)
    _evidence(ports, person, "repaired", contract.id, list(wanted), reason)
    records = [_repaired(contract, originals[place], document, person, reason) for place, document in wanted.items()]
    return _send(contract, ports, records)


def replay(contract: Contract, ports: Ports, person: Person, places: Iterable[Place], *, reason: str) -> int:
    """Send rejected records again as they were, after the contract was corrected.

    Returns:
        How many were sent and acknowledged.

    Raises:
        AccessDeniedError: The person is of another department.
    """
    originals = show(contract, ports, person, places, reason=reason)
    _evidence(ports, person, "replayed", contract.id, list(originals), reason)
    return _send(contract, ports, [_signed(record, record.value, person, reason) for record in originals.values()])


def dismiss(contract: Contract, ports: Ports, lease: Lease, person: Person, places: Iterable[Place], *, reason: str) -> int:
    """Decide that rejected records need no answer: they count no more against a release.

    Raises:
        AccessDeniedError: The person is of another department.
        ConfigError: A place holds no rejected record.
    """
    _may_see(contract, person)
    wanted = list(places)
    _sealed(contract, ports, wanted)
    attempt = attempt_branch(lease.epoch)
    details = {"attempt": attempt, "reason": reason, "records": [list(place) for place in wanted]}
    entry = evidence.Entry(person.role, "dismissed", contract.id, details)
    rows = partial(_write_dismissals, contract.id, wanted, person.role, reason)
    commit(ports.engine, ports.lake, Change(attempt, "dismiss", lease, (), rows, entry))
    return len(wanted)


def _may_see(contract: Contract, person: Person) -> None:
    if person.role != "engineer" and person.department != contract.department:
        raise AccessDeniedError(f"{contract.id}: {person.role} may not see its rejected events; its own department may")


def _landing(contract: Contract, ports: Ports) -> "DataFrame":
    if contract.kind != "source":
        raise ConfigError(f"{contract.id} is a product: nothing lands in it, so nothing is rejected")
    snapshot = head(ports.lake, landing_table(contract), MAIN)
    if snapshot is None:
        raise ConfigError(f"{contract.id} has no landing table; run: commonweal apply")
    return at(ports.spark, landing_table(contract), snapshot)


def _sealed(contract: Contract, ports: Ports, places: list[Place]) -> dict[Place, bytes]:
    """The sealed payloads; the places travel as a small table, so that any number is one query."""
    from pyspark.sql import functions as F

    schema = "_kafka_topic string, _kafka_partition int, _kafka_offset long"
    wanted = ports.spark.createDataFrame([tuple(place) for place in places], schema)
    landing = _landing(contract, ports).where("not _accepted").select(*PLACE, "_sealed")
    rows = landing.join(F.broadcast(wanted), list(PLACE), "left_semi").collect()
    found = {Place(*(row[name] for name in PLACE)): bytes(row["_sealed"]) for row in rows if row["_sealed"] is not None}
    if missing := len(set(places) - set(found)):
        raise ConfigError(
            f"{contract.id}: {missing} of {len(places)} places hold no rejected record; see: commonweal rejected list"
        )
    return found


def _evidence(ports: Ports, person: Person, action: str, dataset: str, places: list[Place], reason: str) -> None:
    details = {"reason": reason, "records": [list(place) for place in places]}
    with (
        database_errors(f"recording that {person.role} asked for rejected events of {dataset}"),
        ports.engine.begin() as connection,
    ):
        evidence.append(connection, evidence.Entry(person.role, action, dataset, details), now=datetime.now(UTC))


def _repaired(contract: Contract, original: Record, document: Mapping[str, Any], person: Person, reason: str) -> Record:
    key = "|".join(str(document[name]) for name in contract.key).encode()
    return _signed(original._replace(key=key), orjson.dumps(dict(document)), person, reason)


def _signed(original: Record, value: bytes | None, person: Person, reason: str) -> Record:
    """The record with its original headers, and who sends it again and why."""
    kept = tuple(header for header in original.headers if header[0] not in ("ce_repairer", "ce_reason"))
    return Record(original.key, value, (*kept, ("ce_repairer", person.role.encode()), ("ce_reason", reason.encode())))


def _send(contract: Contract, ports: Ports, records: list[Record]) -> int:
    with bus.producer(ports.settings, "repair") as producer:
        sent = [
            producer.send(contract.repair_topic, key=record.key, value=record.value, headers=list(record.headers))
            for record in records
        ]
        for waiting in sent:
            waiting.get(30)
    return len(sent)


def _write_dismissals(dataset: str, places: list[Place], person: str, reason: str, connection: Connection) -> None:
    for place in places:
        values = {"topic": place.topic, "partition": place.partition, "offset": place.offset}
        connection.execute(DISMISS, {"dataset": dataset, **values, "person": person, "reason": reason})
