"""Rejected events: listed, shown, repaired, replayed, dismissed. A department sees its own; evidence is written first.

A repair doesn't touch what landed: it is a new record in the platform's repair topic, with the original source, event id and
times, the repairer and the reason. The rejection it answers then counts no more.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

from commonweal import bus, evidence
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.decoding import Record, unpack
from commonweal.errors import ConfigError
from commonweal.identity import Place, load_private_key, unseal
from commonweal.lake.catalog import head
from commonweal.lake.commit import Change, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import MAIN, attempt_branch, landing_table
from commonweal.lake.spark import at
from commonweal.people import Person, may_decide
from commonweal.ports import Ports
from commonweal.render.lake_schema import PLACE_COLUMNS
from commonweal.repairs import Rejected, Repair, Resent, Signature, repaired, replayed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

PLACED = "_kafka_topic string, _kafka_partition int, _kafka_offset long"
DISMISSED = text("select topic, partition, record_offset from dismissal where dataset = :dataset")
DISMISS = text("""
insert into dismissal (dataset, topic, partition, record_offset, person, reason)
values (:dataset, :topic, :partition, :offset, :person, :reason) on conflict do nothing
""")
ANSWERS = text("select topic, partition, record_offset, source, event_id from answer where dataset = :dataset")
ANSWER = text("""
insert into answer (dataset, topic, partition, record_offset, source, event_id, person)
values (:dataset, :topic, :partition, :offset, :source, :event_id, :person) on conflict do nothing
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


def with_fates(rejected: "DataFrame", accepted: "DataFrame", spark: "SparkSession", engine: Engine, dataset: str) -> "DataFrame":
    """Rejected landing rows with their ``fate``.

    Answered by a later accepted event of the same (source, id), or of the one that was sent in its place: ``repaired``; by a
    person: ``dismissed``; else ``open``.
    """
    from pyspark.sql import functions as F

    # Of the accepted events only those that a rejected one could be answered by: mostly none of millions.
    answers = accepted.join(rejected.select("_source", "_event_id").distinct(), ["_source", "_event_id"], "left_semi")
    answers = answers.groupBy("_source", "_event_id").agg(F.max("_appended_at").alias("_answered_at"))
    with database_errors(f"reading what people decided of {dataset}'s rejections"), engine.begin() as connection:
        places = [tuple(row) for row in connection.execute(DISMISSED, {"dataset": dataset})]
        sent = [tuple(row) for row in connection.execute(ANSWERS, {"dataset": dataset})]
    decided = spark.createDataFrame([(*place, True) for place in places], f"{PLACED}, _dismissed boolean")
    named = F.broadcast(spark.createDataFrame(sent, f"{PLACED}, _source string, _event_id string"))
    resent = accepted.select("_source", "_event_id", "_appended_at").join(named, ["_source", "_event_id"])
    resent = resent.groupBy(*PLACE_COLUMNS).agg(F.max("_appended_at").alias("_resent_at"))
    judged = rejected.join(answers, ["_source", "_event_id"], "left").join(F.broadcast(resent), list(PLACE_COLUMNS), "left")
    judged = judged.join(F.broadcast(decided), list(PLACE_COLUMNS), "left")
    is_answered = F.greatest("_answered_at", "_resent_at") > F.col("_appended_at")
    fate = F.when(is_answered, "repaired").when(F.col("_dismissed"), "dismissed").otherwise("open")
    return judged.withColumn("fate", fate).drop("_answered_at", "_resent_at", "_dismissed")


def list_rejections(contract: Contract, ports: Ports, person: Person, *, fate: str = "open", most: int = 1000) -> list[Rejection]:
    """Rejected records of one fate, oldest first.

    Raises:
        AccessDeniedError: The person is of another department; that is in the evidence.
    """
    may_decide(contract, ports, person, "list")
    landing = _landing(contract, ports)
    rejected = landing.where("not _accepted").select(*PLACE_COLUMNS, "_source", "_event_id", "_appended_at", "_reasons")
    judged = with_fates(rejected, landing.where("_accepted"), ports.spark, ports.engine, contract.id)
    rows = judged.where(judged.fate == fate).orderBy(*PLACE_COLUMNS).limit(most).collect()
    return [
        Rejection(
            Place(*(row[name] for name in PLACE_COLUMNS)),
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
        AccessDeniedError: The person is of another department; that is in the evidence.
        ConfigError: A place holds no rejected record with a payload.
    """
    may_decide(contract, ports, person, "show")
    return {place: found.record for place, found in _unsealed(contract, ports, person, list(places), reason).items()}


def repair(contract: Contract, ports: Ports, person: Person, repairs: Iterable[Repair], *, reason: str) -> int:
    """Send corrected records in the place of rejected ones; every one is checked whole, as landing will, before any is sent.

    Returns:
        How many were sent and acknowledged.

    Raises:
        ContractError: A record would be rejected again, or mends a header that was valid; nothing was sent.
        ConfigError: A place stands twice, or holds no rejected record with a payload; nothing was sent.
        AccessDeniedError: The person is of another department; that is in the evidence.
    """
    may_decide(contract, ports, person, "repair")
    wanted = list(repairs)
    places = [item.place for item in wanted]
    if twice := len(places) - len(set(places)):
        raise ConfigError(f"{contract.id}: {twice} of {len(places)} records stand twice; nothing was sent")
    rejected = _unsealed(contract, ports, person, places, reason)
    resent = repaired(contract, rejected, wanted, Signature(person.role, reason))
    headers = Counter(name for item in wanted for name in item.headers)
    return _send(contract, ports, _entry(contract, "repaired", person, places, reason=reason, headers=dict(headers)), resent)


def replay(contract: Contract, ports: Ports, person: Person, places: Iterable[Place], *, reason: str) -> int:
    """Send rejected records again as they were, after the contract was corrected; every one is checked before any is sent.

    Returns:
        How many were sent and acknowledged.

    Raises:
        ContractError: A record would be rejected again; nothing was sent.
        ConfigError: A place holds no rejected record with a payload.
        AccessDeniedError: The person is of another department; that is in the evidence.
    """
    may_decide(contract, ports, person, "replay")
    rejected = _unsealed(contract, ports, person, list(places), reason)
    resent = replayed(contract, rejected, Signature(person.role, reason))
    return _send(contract, ports, _entry(contract, "replayed", person, rejected, reason=reason), resent)


def dismiss(contract: Contract, ports: Ports, lease: Lease, person: Person, places: Iterable[Place], *, reason: str) -> int:
    """Decide that rejected records need no answer: they count no more against a release.

    Raises:
        AccessDeniedError: The person is of another department; that is in the evidence.
        ConfigError: A place holds no rejected record.
    """
    may_decide(contract, ports, person, "dismiss")
    wanted = list(places)
    _landed(contract, ports, wanted)
    attempt = attempt_branch(lease.epoch)
    details = {"attempt": attempt, "reason": reason, "records": [list(place) for place in wanted]}
    entry = evidence.Entry(person.role, "dismissed", contract.id, details)
    rows = partial(_write_dismissals, contract.id, wanted, person.role, reason)
    commit(ports.engine, ports.lake, Change(attempt, "dismiss", lease, (), rows, entry))
    return len(wanted)


def _landing(contract: Contract, ports: Ports) -> "DataFrame":
    if contract.kind != "source":
        raise ConfigError(f"{contract.id} is a product: nothing lands in it, so nothing is rejected")
    snapshot = head(ports.lake, landing_table(contract), MAIN)
    if snapshot is None:
        raise ConfigError(f"{contract.id} has no landing table; run: commonweal apply")
    return at(ports.spark, landing_table(contract), snapshot)


def _landed(contract: Contract, ports: Ports, places: list[Place]) -> "dict[Place, Row]":
    """Landing's rows of rejected records; the places travel as a small table, so that any number is one query."""
    from pyspark.sql import functions as F

    wanted = ports.spark.createDataFrame([tuple(place) for place in places], PLACED)
    landing = _landing(contract, ports).where("not _accepted and _sealed is not null")
    rows = landing.join(F.broadcast(wanted), list(PLACE_COLUMNS), "left_semi").collect()
    found = {Place(*(row[name] for name in PLACE_COLUMNS)): row for row in rows}
    if missing := len(set(places) - set(found)):
        raise ConfigError(
            f"{contract.id}: {missing} of {len(places)} places hold no rejected record; see: commonweal rejected list"
        )
    return found


def _unsealed(contract: Contract, ports: Ports, person: Person, places: list[Place], reason: str) -> dict[Place, Rejected]:
    """Rejected records, open: the evidence that this person sees them is committed before a payload is read."""
    evidence.record(ports.engine, _entry(contract, "payload_shown", person, places, reason=reason))
    landed = _landed(contract, ports, places)
    key = load_private_key(ports.settings.keys_dir)
    return {
        place: Rejected(
            unpack(unseal(key, bytes(landed[place]["_sealed"]), contract.id, place)),
            landed[place]["_source"],
            landed[place]["_event_id"],
            tuple(landed[place]["_reasons"]),
        )
        for place in dict.fromkeys(places)
    }


def _entry(contract: Contract, action: str, person: Person, places: Iterable[Place], **more: object) -> evidence.Entry:
    return evidence.Entry(person.role, action, contract.id, {**more, "records": [list(place) for place in places]})


def _send(contract: Contract, ports: Ports, entry: evidence.Entry, resent: list[Resent]) -> int:
    """Send, once the evidence is committed, and with it the names by which landing will know the answers."""
    with database_errors(f"recording {entry.action} of {contract.id}"), ports.engine.begin() as connection:
        _write_answers(connection, entry, resent)
        evidence.append(connection, entry)
    with bus.producer(ports.settings, "repair") as producer:
        sent = [
            producer.send(contract.repair_topic, key=item.record.key, value=item.record.value, headers=list(item.record.headers))
            for item in resent
        ]
        for waiting in sent:
            waiting.get(30)
    return len(sent)


def _write_answers(connection: Connection, entry: evidence.Entry, resent: list[Resent]) -> None:
    values = [
        {
            **_columns(item.place),
            "dataset": entry.dataset,
            "person": entry.actor,
            "source": item.name[0],
            "event_id": item.name[1],
        }
        for item in resent
        if item.name
    ]
    if values:
        connection.execute(ANSWER, values)


def _write_dismissals(dataset: str, places: list[Place], person: str, reason: str, connection: Connection) -> None:
    for place in places:
        connection.execute(DISMISS, {**_columns(place), "dataset": dataset, "person": person, "reason": reason})


def _columns(place: Place) -> dict[str, str | int]:
    return {"topic": place.topic, "partition": place.partition, "offset": place.offset}
