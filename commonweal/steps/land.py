"""Landing: from a bounded range of Kafka offsets to one row per record, in one commit with the offsets.

Decoding is one Python function over Arrow batches inside Spark; it is also where identifiers become pseudonyms, so no raw
identifier and no key reaches a plan, a table or a log.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, text

from commonweal import bus, evidence
from commonweal.compaction import join_small_files_of_landing
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.epochs import confirm, dataset_epoch, newest_epoch
from commonweal.errors import ConflictError, DataLossError
from commonweal.lake.catalog import create_branch, drop_branch, head
from commonweal.lake.commit import Change, RefMove, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import MAIN, attempt_branch, landing_table
from commonweal.lake.spark import appended
from commonweal.offsets import Offsets, advance, count, from_json, gaps, refuse_losses, spark_json, to_json
from commonweal.ports import Ports
from commonweal.render.lake_schema import ddl, landing_schema
from commonweal.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = structlog.get_logger()

LANDED = text("select topic_id, offsets from landed_offsets where dataset = :dataset and topic = :topic")
FIRST = text("""
insert into landed_offsets (dataset, topic, topic_id, offsets) values (:dataset, :topic, :topic_id, '{}')
on conflict do nothing
""")
SWAP_OFFSETS = text("""
update landed_offsets set offsets = cast(:end as jsonb)
where dataset = :dataset and topic = :topic and topic_id = :topic_id and offsets = cast(:start as jsonb)
""")
LOSSES = text("select partition, start_offset, end_offset from accepted_loss where dataset = :dataset and topic = :topic")
BATCH = text("""
insert into landing_batch (id, dataset, topic, start_offsets, end_offsets, gaps, accepted, rejected, snapshot_id)
values (:id, :dataset, :topic, cast(:start as jsonb), cast(:end as jsonb), cast(:gaps as jsonb), :accepted, :rejected, :snapshot)
""")


@dataclass(frozen=True)
class Range:
    """Records ``[start, end)`` of one topic, by partition; ``key_epoch`` is that of their pseudonyms, None without any."""

    topic: str
    topic_id: str
    start: Offsets
    end: Offsets
    key_epoch: int | None


@dataclass(frozen=True)
class Positions:
    """What Kafka holds of one topic: its id, and by partition the first offset held and the one after the last."""

    topic_id: str
    beginning: Offsets
    end: Offsets


@dataclass(frozen=True)
class Landed:
    """What one batch brought: counts, by acceptance, and offsets without a record."""

    snapshot: int
    accepted: int
    rejected: int
    gaps: Offsets


def land(contract: Contract, ports: Ports, lease: Lease) -> dict[str, int]:
    """Land everything that stands in the dataset's topics now, batch by batch.

    Returns:
        Counts: ``batches``, ``accepted``, ``rejected``, ``gaps``.

    Raises:
        DataLossError: Kafka no longer holds what has not been landed, or the topic was made anew.
        ConflictError, FencedError, TransientError: As the commit function.
    """
    done = {"batches": 0, "accepted": 0, "rejected": 0, "gaps": 0}
    for topic in contract.topics:
        for batch in _batches(contract, ports, topic):
            landed = _land_batch(contract, ports, lease, batch)
            done["batches"] += 1
            done["accepted"] += landed.accepted
            done["rejected"] += landed.rejected
            done["gaps"] += sum(landed.gaps.values())
            log.info("landed", dataset=contract.id, topic=topic, accepted=landed.accepted, rejected=landed.rejected)
    if done["batches"]:
        join_small_files_of_landing(contract, ports, lease)
    return done


def landed_offsets(contract: Contract, ports: Ports, topic: str, topic_id: str) -> Offsets:
    """The offsets up to which the topic has been landed; empty when nothing has.

    Raises:
        DataLossError: The topic is another one than was landed from.
    """
    with database_errors(f"reading the landed offsets of {contract.id}"), ports.engine.begin() as connection:
        row = connection.execute(LANDED, {"dataset": contract.id, "topic": topic}).first()
    if row is None:
        return {}
    if row.topic_id != topic_id:
        raise DataLossError(_made_anew(contract.id, topic))
    return from_json(row.offsets)


def _made_anew(dataset: str, topic: str) -> str:
    return (
        f"{dataset}: topic {topic} was deleted and made anew (its id changed); nothing is landed. "
        f"Give the contract a new major version and publish again; see docs/runbooks/kafka-lost-data.md"
    )


def positions(settings: Settings, topic: str) -> Positions:
    """What Kafka holds of a topic now.

    Raises:
        ConfigError: There is no such topic.
        TransientError: Kafka is unreachable.
    """
    with bus.admin(settings, "landing") as client:
        topic_id = bus.topic_id(client, topic)
        return Positions(topic_id, bus.beginning_offsets(client, [topic])[topic], bus.end_offsets(client, [topic])[topic])


def end_offsets(contract: Contract, settings: Settings) -> dict[str, Offsets]:
    """By topic of the dataset, the end offsets that Kafka has now."""
    with bus.admin(settings, "landing") as client:
        return bus.end_offsets(client, contract.topics)


def _batches(contract: Contract, ports: Ports, topic: str) -> Iterator[Range]:
    """Ranges of at most ``batch_records``, up to the end that Kafka has now."""
    seen = positions(ports.settings, topic)
    start = landed_offsets(contract, ports, topic, seen.topic_id)
    start = skip_accepted_losses(contract, ports, topic, {partition: start.get(partition, 0) for partition in seen.end})
    refuse_losses(contract.id, topic, start, beginning=seen.beginning, end=seen.end)
    key_epoch = _key_epoch(contract, ports)
    while count(start, seen.end):
        stop = advance(start, seen.end, contract.limits.batch_records)
        yield Range(topic, seen.topic_id, start, stop, key_epoch)
        start = stop


def _key_epoch(contract: Contract, ports: Ports) -> int | None:
    """The epoch for the dataset's pseudonyms: that of those landed before; the lease keeps it from changing meanwhile."""
    if not contract.has_pseudonyms:
        return None
    return dataset_epoch(ports.engine, contract.id) or newest_epoch(ports.engine)


def skip_accepted_losses(contract: Contract, ports: Ports, topic: str, start: Offsets) -> Offsets:
    """Move each start over the losses that a person accepted."""
    with database_errors(f"reading the accepted losses of {contract.id}"), ports.engine.begin() as connection:
        losses = connection.execute(LOSSES, {"dataset": contract.id, "topic": topic}).all()
    moved = dict(start)
    for loss in sorted(losses, key=lambda row: row.start_offset):
        if loss.start_offset <= moved.get(loss.partition, 0) < loss.end_offset:
            moved[loss.partition] = loss.end_offset
    return moved


def _land_batch(contract: Contract, ports: Ports, lease: Lease, batch: Range) -> Landed:
    table, branch = landing_table(contract), attempt_branch(lease.epoch)
    base = head(ports.lake, table, MAIN)
    if base is None:
        raise ConflictError(f"{table.sql} has no first snapshot; run: commonweal apply")
    create_branch(ports.lake, table, branch, base)
    try:
        frame = _decoded(contract, ports, batch)
        properties = {"topic": batch.topic, "start": to_json(batch.start), "end": to_json(batch.end), "attempt": branch}
        writer = frame.writeTo(table.branch(branch))
        for name, value in properties.items():
            writer = writer.option(f"snapshot-property.commonweal.{name}", value)
        writer.append()
        landed = _counted(contract, ports, batch, branch, base)
        # Made anew while it was read, the topic's offsets stand for other events now.
        if positions(ports.settings, batch.topic).topic_id != batch.topic_id:
            raise DataLossError(_made_anew(contract.id, batch.topic))
        commit(ports.engine, ports.lake, _change(contract, lease, batch, branch, base, landed))
    except (ConflictError, DataLossError):
        drop_branch(ports.lake, table, branch)
        raise
    return landed


def _decoded(contract: Contract, ports: Ports, batch: Range) -> "DataFrame":
    """The batch's records as landing rows; the plan holds the contract, and no key."""
    from commonweal.decoding.workers import decode_batches

    reader = ports.spark.read.format("kafka").option("subscribe", batch.topic).option("includeHeaders", "true")
    for name, value in bus.spark_options(ports.settings).items():
        reader = reader.option(name, value)
    records = (
        reader.option("startingOffsets", spark_json(batch.topic, batch.start))
        .option("endingOffsets", spark_json(batch.topic, batch.end))
        .option("failOnDataLoss", "true")
        .load()
        .selectExpr(
            "topic as _kafka_topic",
            "partition as _kafka_partition",
            "offset as _kafka_offset",
            "timestamp as _appended_at",
            "headers",
            "key",
            "value",
        )
    )
    return records.mapInArrow(partial(decode_batches, contract, batch.key_epoch), ddl(landing_schema(contract)))


def _counted(contract: Contract, ports: Ports, batch: Range, branch: str, base: int) -> Landed:
    """Count what the branch really holds; never more than there were offsets."""
    table = landing_table(contract)
    snapshot = head(ports.lake, table, branch) or base
    counted: dict[tuple[int, bool], int] = {}
    if snapshot != base:
        rows = appended(ports.spark, table, base, snapshot).groupBy("_kafka_partition", "_accepted").count().collect()
        counted = {(row["_kafka_partition"], row["_accepted"]): row["count"] for row in rows}
    by_partition = {partition: counted.get((partition, True), 0) + counted.get((partition, False), 0) for partition in batch.end}
    missing = gaps(batch.start, batch.end, by_partition)
    if min(missing.values()) < 0:
        raise ConflictError(
            f"{contract.id}: topic {batch.topic}: more rows than offsets in one batch; nothing was landed, run it again"
        )
    accepted = sum(found for (_, is_accepted), found in counted.items() if is_accepted)
    return Landed(snapshot, accepted, sum(counted.values()) - accepted, {key: value for key, value in missing.items() if value})


def _change(contract: Contract, lease: Lease, batch: Range, branch: str, base: int, landed: Landed) -> Change:
    table = landing_table(contract)
    moves = (RefMove(table, MAIN, base, landed.snapshot), RefMove(table, branch, landed.snapshot, None))
    details = {
        "attempt": branch,
        "topic": batch.topic,
        "start": batch.start,
        "end": batch.end,
        "gaps": landed.gaps,
        "accepted": landed.accepted,
        "rejected": landed.rejected,
        "snapshot": landed.snapshot,
    }
    entry = evidence.Entry("pipeline", "landed", contract.id, details)
    return Change(branch, "land", lease, moves, partial(_write_rows, contract.id, batch, branch, landed), entry)


def _write_rows(dataset: str, batch: Range, attempt: str, landed: Landed, connection: Connection) -> None:
    where = {"dataset": dataset, "topic": batch.topic, "topic_id": batch.topic_id}
    connection.execute(FIRST, where)
    before = from_json(connection.execute(LANDED, {"dataset": dataset, "topic": batch.topic}).one().offsets)
    swapped = {**where, "start": to_json(before), "end": to_json({**before, **batch.end})}
    is_next = all(before.get(partition, 0) == start for partition, start in batch.start.items())
    if not is_next or connection.execute(SWAP_OFFSETS, swapped).rowcount != 1:
        raise ConflictError(
            f"{dataset}: topic {batch.topic} was landed further by another run; nothing changed, run the step again"
        )
    values = {"id": attempt, "dataset": dataset, "topic": batch.topic, "start": to_json(batch.start), "end": to_json(batch.end)}
    counts = {"gaps": to_json(landed.gaps), "accepted": landed.accepted, "rejected": landed.rejected, "snapshot": landed.snapshot}
    connection.execute(BATCH, {**values, **counts})
    if batch.key_epoch is not None:
        confirm(connection, dataset, batch.key_epoch)
