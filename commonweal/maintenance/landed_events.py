"""Expiry of landed events: those past the contract's retention go, their sealed identifiers too; the state of each key stays.

Rejected records go when they are old enough. Accepted ones go as ``commonweal.expiry`` decides, key by key; the candidate is
worked out anew for these keys in the same commit, so that the accounting adds up before and after.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, text

from commonweal import evidence
from commonweal.contract.model import Contract
from commonweal.errors import ConflictError
from commonweal.folding import Touched, accepted_events, by_key, closed_keys, flagged
from commonweal.lake.candidates import Candidate, write_candidate
from commonweal.lake.catalog import create_branch, drop_branch, head
from commonweal.lake.commit import Change, RefMove, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import MAIN, attempt_branch, landing_table
from commonweal.lake.spark import at, instant
from commonweal.ports import Ports
from commonweal.render.lake_schema import PLACE_COLUMNS, ddl
from commonweal.settling import GOING_FIELDS, expire_batches
from commonweal.steps.clean import Basis, candidate_moves, next_candidate, read_basis, write_states

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = structlog.get_logger()

INSERT = text("""
insert into expiry (id, dataset, cutoff, accepted, rejected) values (:id, :dataset, :cutoff, :accepted, :rejected)
""")


@dataclass(frozen=True)
class Gone:
    """What one expiry removes: records, by acceptance."""

    accepted: int
    rejected: int


@dataclass(frozen=True)
class Plan:
    """What one expiry is to do: up to when events are old, the keys that have such, and what becomes of which record."""

    cutoff: datetime
    touched: Touched
    going: "DataFrame"


def expire_landed_events(ports: Ports, contract: Contract, lease: Lease, *, now: datetime) -> int:
    """Let go the landed events that are older than the contract keeps them.

    A candidate that is behind what has landed is cleaned first, by its own run; then the next night does it.

    Returns:
        How many records went.

    Raises:
        ConflictError, FencedError, TransientError: As the commit function.
    """
    from pyspark.sql import functions as F

    basis, cutoff = read_basis(contract, ports), now - timedelta(days=contract.retention.events_days)
    landing = at(ports.spark, landing_table(contract), basis.landing_snapshot)
    if basis.before is None or basis.is_behind(contract):
        log.warning("expiry_waits", dataset=contract.id, why="what has landed is not cleaned yet")
        return 0
    if landing.where(F.col("_appended_at") < instant(cutoff)).isEmpty():
        return 0
    touched, going = _plan(contract, landing, cutoff)
    try:
        return 0 if going.isEmpty() else _expire(ports, contract, lease, basis, Plan(cutoff, touched, going))
    finally:
        going.unpersist()
        touched.let_go()


def _plan(contract: Contract, landing: "DataFrame", cutoff: datetime) -> "tuple[Touched, DataFrame]":
    """The keys with old events, and the records that go or become base events: ``GOING_FIELDS`` and ``_was_accepted``."""
    from pyspark.sql import functions as F

    events, is_old = accepted_events(contract, landing), F.col("_appended_at") < instant(cutoff)
    touched = closed_keys(contract, events, _seeds(contract, events, cutoff))
    rejected = landing.where("not _accepted").where(is_old).select(*PLACE_COLUMNS, F.lit(True).alias("_gone"))
    decided = _decided(contract, events, touched, cutoff)
    going = decided.withColumn("_was_accepted", F.lit(True)).union(rejected.withColumn("_was_accepted", F.lit(False))).persist()
    return touched, going


def _seeds(contract: Contract, events: "DataFrame", cutoff: datetime) -> "DataFrame":
    """Keys with an old event that is not known to stay, or with a base event and others, which may have taken its place."""
    from pyspark.sql import functions as F

    keys, is_base = list(contract.key_columns), F.col("_base")
    news = events.where(~is_base & (F.col("_appended_at") < instant(cutoff))).select(*keys)
    overtaken = events.where(is_base).select(*keys).join(events.where(~is_base).select(*keys), keys, "left_semi")
    return news.union(overtaken).distinct()


def _expire(ports: Ports, contract: Contract, lease: Lease, basis: Basis, plan: Plan) -> int:
    branch, landing = attempt_branch(lease.epoch), landing_table(contract)
    started = {landing: basis.landing_snapshot, **basis.heads}
    for table, snapshot in started.items():
        create_branch(ports.lake, table, branch, snapshot)
    try:
        written, gone = _write_landing(ports, contract, basis, branch, plan.going)
        left = accepted_events(contract, at(ports.spark, landing, written))
        touched = Touched.of(contract, plan.touched.keys, left)
        try:
            keys = write_states(contract, ports, branch, left, touched)
        finally:
            touched.events.unpersist()
        candidate = next_candidate(contract, ports, replace(basis, landing_snapshot=written), branch, keys, carries=True)
        landed = RefMove(landing, MAIN, basis.landing_snapshot, written), RefMove(landing, branch, written, None)
        moves = (*landed, *candidate_moves(contract, basis, candidate))
        rows = partial(_write_rows, candidate, plan.cutoff, gone)
        commit(ports.engine, ports.lake, Change(branch, "expire", lease, moves, rows, _entry(candidate, plan.cutoff, gone)))
    except ConflictError:
        for table in started:
            drop_branch(ports.lake, table, branch)
        raise
    return gone.accepted + gone.rejected


def _entry(candidate: Candidate, cutoff: datetime, gone: Gone) -> evidence.Entry:
    details = {
        "attempt": candidate.commit_id,
        "cutoff": cutoff.isoformat(),
        "accepted": gone.accepted,
        "rejected": gone.rejected,
        "landing_snapshot": candidate.landing_snapshot,
        "candidate": candidate.number,
    }
    return evidence.Entry("pipeline", "expired", candidate.dataset, details)


def _decided(contract: Contract, events: "DataFrame", touched: Touched, cutoff: datetime) -> "DataFrame":
    """The accepted events that go or become base events, as rows of ``GOING_FIELDS``."""
    import pyarrow as pa
    from pyspark.sql import functions as F

    keys = list(contract.key_columns)
    own = touched.events
    ids = own.groupBy("_source", "_event_id").agg(
        F.max("_appended_at").alias("_newest"), F.countDistinct(F.struct(*keys)).alias("_keys")
    )
    is_old = (F.col("_newest") < instant(cutoff)) & (F.col("_keys") == 1)
    rows = flagged(contract, own.join(ids, ["_source", "_event_id"]).withColumn("_old", is_old), events)
    expire = partial(expire_batches, key_columns=contract.key_columns)
    return by_key(contract, rows, "_old").mapInArrow(expire, ddl(pa.schema(GOING_FIELDS)))


def _write_landing(ports: Ports, contract: Contract, basis: Basis, branch: str, going: "DataFrame") -> tuple[int, Gone]:
    """Remove and mark rows on the branch of the landing table; returns its new snapshot, and what went."""
    table = landing_table(contract)
    counted = {row["_was_accepted"]: row["count"] for row in going.where("_gone").groupBy("_was_accepted").count().collect()}
    gone = Gone(counted.get(True, 0), counted.get(False, 0))
    going.createOrReplaceTempView("going")
    same = " and ".join(f"t.{name} = g.{name}" for name in PLACE_COLUMNS)
    ports.spark.sql(
        f"merge into {table.branch(branch)} t using going g on {same} "
        "when matched and g._gone then delete when matched then update set _base = true"
    ).collect()
    written = head(ports.lake, table, branch)
    before, after = (at(ports.spark, table, snapshot).count() for snapshot in (basis.landing_snapshot, written or 0))
    if written is None or before - after != gone.accepted + gone.rejected:
        raise ConflictError(f"{contract.id}: expiry would have removed other records than it meant to; nothing was changed")
    return written, gone


def _write_rows(candidate: Candidate, cutoff: datetime, gone: Gone, connection: Connection) -> None:
    write_candidate(connection, candidate)
    values = {"id": candidate.commit_id, "dataset": candidate.dataset, "cutoff": cutoff}
    connection.execute(INSERT, {**values, "accepted": gone.accepted, "rejected": gone.rejected})
