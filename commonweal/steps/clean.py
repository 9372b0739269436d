"""Cleaning: from landed events to ``current`` (one row per business key) and ``history`` (the validity periods of its states).

Each key that a new event touches is recomputed from all its accepted landed events, so the order of arrival can't matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, text

from commonweal import evidence
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.errors import ConflictError
from commonweal.lake.candidates import Candidate, read_candidate, write_candidate
from commonweal.lake.catalog import create_branch, drop_branch, head
from commonweal.lake.commit import Change, RefMove, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import CANDIDATE, MAIN, TableId, attempt_branch, landing_table, released_tables
from commonweal.lake.spark import at, below
from commonweal.ports import Ports
from commonweal.render.lake_schema import current_schema, ddl, history_schema, landing_schema
from commonweal.settling import OUTCOME_FIELDS, settle_batches
from commonweal.steps.join import made_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

log = structlog.get_logger()

LANDED = text("select topic, offsets from landed_offsets where dataset = :dataset order by topic")
CLOSURE_ROUNDS = 50
"""Each round follows one step of replacements or repeated ids; real chains are a few steps long."""


@dataclass(frozen=True)
class Basis:
    """What a clean starts from: landed events of one snapshot, and the candidate before."""

    landing_snapshot: int
    offsets: dict[str, dict[str, int]]
    before: Candidate | None
    heads: dict[TableId, int]

    def is_rebuild(self, contract: Contract) -> bool:
        """True when every key is recomputed: there is no candidate before, or it was made with another contract."""
        return self.before is None or self.before.contract_digest != made_by(contract)


def clean(contract: Contract, ports: Ports, lease: Lease, *, rebuild: bool = False) -> dict[str, int]:
    """Bring the candidate up to the landed events.

    Args:
        contract: A source's contract.
        ports: The world.
        lease: The dataset's lease.
        rebuild: Recompute every key, also those that no new event touches.

    Returns:
        Counts: ``keys`` recomputed, ``candidate`` number; both 0 when there was nothing to do.

    Raises:
        ConflictError, FencedError, TransientError: As the commit function.
    """
    basis = _basis(contract, ports)
    if not _is_work(contract, basis) and not rebuild:
        return {"keys": 0, "candidate": 0}
    branch = attempt_branch(lease.epoch)
    for table, snapshot in basis.heads.items():
        create_branch(ports.lake, table, branch, snapshot)
    try:
        keys = _write(contract, ports, basis, branch, rebuild or basis.is_rebuild(contract))
        candidate = _candidate(contract, ports, basis, branch, keys)
        commit(ports.engine, ports.lake, _change(contract, lease, basis, candidate))
    except ConflictError:
        for table in basis.heads:
            drop_branch(ports.lake, table, branch)
        raise
    log.info("cleaned", dataset=contract.id, keys=keys, candidate=candidate.number)
    return {"keys": keys, "candidate": candidate.number}


def _is_work(contract: Contract, basis: Basis) -> bool:
    """Events landed since the candidate before, or another contract; a dataset without events has no candidate."""
    if basis.before is None:
        return bool(basis.offsets)
    return basis.before.offsets != basis.offsets or basis.before.contract_digest != made_by(contract)


def _basis(contract: Contract, ports: Ports) -> Basis:
    """Landing can't move meanwhile: the dataset's lease is held."""
    with database_errors(f"reading the landed offsets of {contract.id}"), ports.engine.begin() as connection:
        rows = connection.execute(LANDED, {"dataset": contract.id}).all()
    landing = head(ports.lake, landing_table(contract), MAIN)
    heads = {table: head(ports.lake, table, CANDIDATE) for table in released_tables(contract).values()}
    if landing is None or None in heads.values():
        raise ConflictError(f"{contract.id}: a table has no first snapshot; run: commonweal apply")
    offsets = {row.topic: row.offsets for row in rows}
    return Basis(landing, offsets, read_candidate(ports.engine, contract.id), {t: s for t, s in heads.items() if s is not None})


def _write(contract: Contract, ports: Ports, basis: Basis, branch: str, whole: bool) -> int:
    """Write both tables' branches; returns the number of keys that were recomputed."""
    from pyspark.sql import DataFrame
    from pyspark.sql import functions as F

    events = at(ports.spark, landing_table(contract), basis.landing_snapshot).where("_accepted")
    kept: list[DataFrame] = []
    try:
        touched = events if whole else _touched_events(contract, events, basis, kept)
        settled = _settled(contract, touched, events).persist()
        kept.append(settled)
        current = settled.where("_state is not null").select(*_current_columns(contract))
        history = settled.where("_valid_from is not null").select(*_history_columns(contract))
        tables = released_tables(contract)
        keys = list(contract.key_columns)
        recomputed = current.select(*keys)
        _replace(ports, tables["current"].branch(branch), current, recomputed, keys, whole)
        _replace(ports, tables["history"].branch(branch), history, recomputed, keys, whole)
        return int(settled.where(F.col("_state").isNotNull()).count())
    finally:
        for frame in kept:
            frame.unpersist()


def _replace(ports: Ports, branch: str, rows: "DataFrame", recomputed: "DataFrame", keys: list[str], whole: bool) -> None:
    """Replace the recomputed keys' rows on a branch."""
    from pyspark.sql import functions as F

    if whole:
        rows.writeTo(branch).overwrite(F.lit(True))
        return
    recomputed.createOrReplaceTempView("recomputed")
    same_key = " and ".join(f"t.{key} = r.{key}" for key in keys)
    ports.spark.sql(f"delete from {branch} t where exists (select 1 from recomputed r where {same_key})").collect()
    rows.writeTo(branch).append()


def _touched_events(contract: Contract, events: "DataFrame", basis: Basis, kept: "list[DataFrame]") -> "DataFrame":
    """All events of the keys that new events touch, closed over (source, event id) and ``replaces``, both directions.

    Frames that it persists are added to ``kept``, for the caller to let go.
    """
    keys = list(contract.key_columns)
    narrow = events.select(*keys, "_source", "_event_id", "_replaces", "_kafka_topic", "_kafka_partition", "_kafka_offset")
    touched = narrow.where(~below(basis.before.offsets if basis.before else {})).select(*keys).distinct().persist()
    kept.append(touched)
    found = touched.count()
    for _ in range(CLOSURE_ROUNDS):
        touched = _one_step_wider(narrow, touched, keys).persist()
        kept.append(touched)
        count = touched.count()
        if count == found:
            return events.join(touched, keys, "left_semi")
        found = count
    raise ConflictError(
        f"{contract.id}: replacements chain over more than {CLOSURE_ROUNDS} keys; run: commonweal rebuild {contract.id}"
    )


def _one_step_wider(narrow: "DataFrame", touched: "DataFrame", keys: list[str]) -> "DataFrame":
    """The keys themselves, and every key that shares an event id with them, or whose events replace theirs or are replaced."""
    from pyspark.sql import functions as F

    mine = narrow.join(touched, keys, "left_semi")
    ids = mine.select("_source", "_event_id").union(mine.where("_replaces is not null").select("_source", F.col("_replaces")))
    ids = ids.distinct()
    sharing = narrow.join(ids, ["_source", "_event_id"], "left_semi").select(*keys)
    replacing = (
        narrow.where("_replaces is not null")
        .withColumn("_event_id", F.col("_replaces"))
        .join(ids, ["_source", "_event_id"], "left_semi")
        .select(*keys)
    )
    return touched.union(sharing).union(replacing).distinct()


def _settled(contract: Contract, touched: "DataFrame", events: "DataFrame") -> "DataFrame":
    """The touched events with their verdicts, periods, and on one of each key the key's state and counters."""
    from pyspark.sql import functions as F

    keys = list(contract.key_columns)
    conflicting = (
        touched.groupBy("_source", "_event_id")
        .agg(F.min("_digest").alias("low"), F.max("_digest").alias("high"))
        .where("low <> high")
        .select("_source", "_event_id", F.lit(True).alias("_id_conflict"))
    )
    flagged = (
        touched.join(F.broadcast(conflicting), ["_source", "_event_id"], "left")
        .withColumn("_id_conflict", F.coalesce("_id_conflict", F.lit(False)))
        .join(F.broadcast(_targets(touched, events, keys)), ["_source", "_event_id", "_replaces"], "left")
        .withColumn("_target", F.when(F.col("_replaces").isNull(), "none").otherwise(F.coalesce("_target", F.lit("absent"))))
    )
    columns = [*landing_schema(contract).names, "_id_conflict", "_target"]
    outcome = ", ".join((ddl(landing_schema(contract)), "_id_conflict boolean", "_target string", ddl(_outcome_schema())))
    sorted_by_key = flagged.select(*columns).repartition(*keys).sortWithinPartitions(*keys)
    return sorted_by_key.mapInArrow(partial(_settle_batches, contract.key_columns), outcome)


def _settle_batches(key_columns: tuple[str, ...], batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    return settle_batches(batches, key_columns=key_columns)


def _outcome_schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(OUTCOME_FIELDS)


def _targets(touched: "DataFrame", events: "DataFrame", keys: list[str]) -> "DataFrame":
    """For each event that replaces another: whether its target landed under the same key or under another one."""
    from pyspark.sql import functions as F

    replacing = touched.where("_replaces is not null").select("_source", "_event_id", "_replaces", *keys)
    targets = events.select("_source", F.col("_event_id").alias("_replaces"), *(F.col(key).alias(f"t_{key}") for key in keys))
    same = reduce(lambda one, other: one & other, [F.col(key) == F.col(f"t_{key}") for key in keys])
    return (
        replacing.join(targets, ["_source", "_replaces"], "inner")
        .groupBy("_source", "_event_id", "_replaces")
        .agg(F.when(F.bool_and(same), "same_key").otherwise("other_key").alias("_target"))
    )


def _current_columns(contract: Contract) -> "list[Column]":
    """A live row shows its state; a hidden one only its key: a withdrawn value is not kept where people read."""
    from pyspark.sql import functions as F

    is_live, shown = F.col("_state") == "live", (*contract.key_columns, "_state")
    hidden = {"_valid_from", "_recorded_at", "_event_id"} | {field.column for field in contract.fields} - set(
        contract.key_columns
    )
    columns = []
    for name in current_schema(contract).names:
        is_hidden = name in hidden and name not in shown
        columns.append(F.when(is_live, F.col(name)).alias(name) if is_hidden else F.col(name))
    return columns


def _history_columns(contract: Contract) -> "list[Column]":
    from pyspark.sql import functions as F

    return [F.col(name) for name in history_schema(contract).names]


def _candidate(contract: Contract, ports: Ports, basis: Basis, branch: str, keys: int) -> Candidate:
    snapshots = {}
    for name, table in released_tables(contract).items():
        written = head(ports.lake, table, branch)
        if written is None:
            raise ConflictError(f"{contract.id}: branch {branch} of {table.sql} is gone; nothing changed, run the step again")
        snapshots[name] = written
    return Candidate(
        dataset=contract.id,
        number=basis.before.number + 1 if basis.before else 1,
        commit_id=branch,
        offsets=basis.offsets,
        landing_snapshot=basis.landing_snapshot,
        snapshots={str(name): snapshot for name, snapshot in snapshots.items()},
        rows={},
        counts={"keys": keys},
        inputs={},
        contract_digest=made_by(contract),
        code_version=ports.code_version,
    )


def _change(contract: Contract, lease: Lease, basis: Basis, candidate: Candidate) -> Change:
    """Move both candidate refs together, and remember up to which offsets they hold the landed events."""
    moves = []
    for name, table in released_tables(contract).items():
        snapshot = candidate.snapshots[name]
        moves.append(RefMove(table, CANDIDATE, basis.heads[table], snapshot))
        moves.append(RefMove(table, candidate.commit_id, snapshot, None))
    details = {
        "attempt": candidate.commit_id,
        "candidate": candidate.number,
        "landing_snapshot": basis.landing_snapshot,
        "offsets": basis.offsets,
        "snapshots": candidate.snapshots,
        "keys": candidate.counts["keys"],
    }
    entry = evidence.Entry("pipeline", "cleaned", contract.id, details)
    return Change(candidate.commit_id, "clean", lease, tuple(moves), partial(_write_candidate, candidate), entry)


def _write_candidate(candidate: Candidate, connection: Connection) -> None:
    write_candidate(connection, candidate)
