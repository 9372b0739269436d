"""What the gate counts for itself, on fixed snapshots: the accounting from Kafka to here, and the joins' coverage.

Each number is counted where it stands (offsets in PostgreSQL, landing rows, key counters), never carried over from the step that
wrote it, so that the equations between them can fail.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Engine, text

from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.gate.model import Accounting, JoinCoverage, Since
from commonweal.lake.candidates import Candidate
from commonweal.lake.names import landing_table, released_table
from commonweal.lake.releases import Release
from commonweal.lake.spark import at, below
from commonweal.offsets import Offsets, count, from_json
from commonweal.rejections import with_fates

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

EXPIRED = text("select coalesce(sum(accepted + rejected), 0) from expiry where dataset = :dataset")
BATCHES = text("select topic, end_offsets, gaps from landing_batch where dataset = :dataset")
LOSSES = text("select topic, partition, start_offset, end_offset from accepted_loss where dataset = :dataset")
COUNTERS = ("_events", "_superseded", "_duplicates", "_conflicts", "_pending", "_withdrawn")


def accounting(contract: Contract, candidate: Candidate, spark: "SparkSession", engine: Engine) -> Accounting:
    """Where every offset went that the candidate holds, since the first one."""
    ends = {topic: from_json(offsets) for topic, offsets in candidate.offsets.items()}
    gaps, lost, expired = _recorded(engine, contract.id, ends)
    keys = _key_counts(current_at(contract, spark, candidate.snapshots["current"]))
    landing = landing_at(contract, spark, candidate)
    landed = {row["_accepted"]: row["count"] for row in landing.groupBy("_accepted").count().collect()}
    standing = _rejections(landing, spark, engine, contract.id)
    return Accounting(
        offsets=sum(count({}, end) for end in ends.values()) - lost,
        gaps=gaps,
        landed=sum(landed.values()),
        accepted=landed.get(True, 0),
        rejected=landed.get(False, 0),
        live=keys["live"],
        superseded=keys["_superseded"],
        duplicate=keys["_duplicates"],
        conflict=keys["_conflicts"],
        pending=keys["_pending"],
        withdrawn=keys["_withdrawn"],
        open=standing.get("open", 0),
        repaired=standing.get("repaired", 0),
        dismissed=standing.get("dismissed", 0),
        expired=expired,
    )


def since(contract: Contract, candidate: Candidate, before: Release | None, spark: "SparkSession", engine: Engine) -> Since:
    """What happened since the last release; since the beginning when there is none."""
    current = current_at(contract, spark, candidate.snapshots["current"])
    then = current_at(contract, spark, before.snapshots["current"]) if before else current.limit(0)
    is_same_key = _have_the_same_key(contract, candidate, before, then)
    worse = _worse_by_key(contract, current, then) if is_same_key else _worse_in_sum(current, then)
    landing = landing_at(contract, spark, candidate)
    fresh = landing.where(~below(before.offsets)) if before else landing
    standing = _rejections(fresh, spark, engine, contract.id, accepted=landing.where("_accepted"))
    return Since(
        rows_before=then.where("_state = 'live'").count() if before else None,
        rows_after=current.where("_state = 'live'").count(),
        rejected_open=standing.get("open", 0),
        accepted=fresh.where("_accepted").count(),
        gaps=_gaps(engine, contract.id, candidate.offsets) - (_gaps(engine, contract.id, before.offsets) if before else 0),
        **worse,
    )


def coverage(contract: Contract, frames: "Mapping[str, DataFrame]") -> tuple[JoinCoverage, ...]:
    """For each join that the contract declares: rows of the input, and those that found their partner."""
    measured = []
    for join in contract.coverage:
        rows = frames[join.input].where(f"{join.column} is not null")
        partners = frames[join.within].select(join.column).where(f"{join.column} is not null").distinct()
        matched = rows.join(partners, [join.column], "left_semi").count()
        measured.append(JoinCoverage(join.input, matched, rows.count()))
    return tuple(measured)


def current_at(contract: Contract, spark: "SparkSession", snapshot: int) -> "DataFrame":
    """The current table at a snapshot, hidden rows and counters included."""
    return at(spark, released_table(contract, "current"), snapshot)


def landing_at(contract: Contract, spark: "SparkSession", candidate: Candidate) -> "DataFrame":
    """The landing rows that the candidate was made from."""
    if candidate.landing_snapshot is None:
        raise ValueError(f"{contract.id} is a product: it has no landing table")
    return at(spark, landing_table(contract), candidate.landing_snapshot)


def _recorded(engine: Engine, dataset: str, ends: Mapping[str, Offsets]) -> tuple[int, int, int]:
    """Gaps and accepted losses below the candidate's offsets, and expired records, which made a candidate each time."""
    with database_errors(f"reading the landing batches of {dataset}"), engine.begin() as connection:
        batches = connection.execute(BATCHES, {"dataset": dataset}).all()
        losses = connection.execute(LOSSES, {"dataset": dataset}).all()
        expired = int(connection.execute(EXPIRED, {"dataset": dataset}).scalar_one())
    held = [batch for batch in batches if _reaches(ends.get(batch.topic, {}), from_json(batch.end_offsets))]
    gaps = sum(sum(from_json(batch.gaps).values()) for batch in held)
    lost = sum(
        loss.end_offset - loss.start_offset
        for loss in losses
        if ends.get(loss.topic, {}).get(loss.partition, 0) >= loss.end_offset
    )
    return gaps, lost, expired


def _reaches(ends: Mapping[int, int], batch_end: Mapping[int, int]) -> bool:
    return all(ends.get(partition, 0) >= end for partition, end in batch_end.items())


def _gaps(engine: Engine, dataset: str, offsets: Mapping[str, Mapping[str, int]]) -> int:
    return _recorded(engine, dataset, {topic: from_json(ends) for topic, ends in offsets.items()})[0]


def _have_the_same_key(contract: Contract, candidate: Candidate, before: Release | None, then: "DataFrame") -> bool:
    """Whether rows of the release before have today's keys: none of another major version, and no pseudonyms of another epoch."""
    if before is None:
        return True
    is_pseudonym = any(field.is_pseudonymised for field in contract.fields if field.column in contract.key_columns)
    is_rotated = is_pseudonym and before.key_epoch is not None and before.key_epoch != candidate.key_epoch
    is_same_major = before.contract_version.split(".")[0] == str(contract.major)
    return is_same_major and not is_rotated and set(contract.key_columns) <= set(then.columns)


def _worse_by_key(contract: Contract, now: "DataFrame", then: "DataFrame") -> dict[str, int]:
    """Keys that are withdrawn and were not, and events that are set aside and were not: one key never makes up for another."""
    from pyspark.sql import functions as F

    keys = list(contract.key_columns)
    withdrawn, aside = F.col("_state") == "withdrawn", F.col("_conflicts") + F.col("_pending")
    after = now.where(withdrawn | (aside > 0)).select(*keys, withdrawn.alias("gone"), aside.alias("aside"))
    # These are few, and so are the rows that they are compared with.
    was = then.join(after, keys, "left_semi").select(*keys, withdrawn.alias("was_gone"), aside.alias("was_aside"))
    met = after.join(was, keys, "left")
    newly_gone = F.count_if(F.col("gone") & ~F.coalesce("was_gone", F.lit(False)))  # noqa: FBT003 - a column's value
    newly_aside = F.sum(F.greatest(F.lit(0), F.col("aside") - F.coalesce("was_aside", F.lit(0))))
    row = met.agg(newly_gone.alias("withdrawn"), F.coalesce(newly_aside, F.lit(0)).alias("set_aside")).collect()[0]
    return {"withdrawn": int(row["withdrawn"]), "set_aside": int(row["set_aside"])}


def _worse_in_sum(now: "DataFrame", then: "DataFrame") -> dict[str, int]:
    """The same as differences of sums, where keys can't be compared."""
    after, was = _key_counts(now), _key_counts(then)
    aside = after["_conflicts"] + after["_pending"] - was["_conflicts"] - was["_pending"]
    return {"withdrawn": max(0, after["withdrawn_keys"] - was["withdrawn_keys"]), "set_aside": max(0, aside)}


def _key_counts(current: "DataFrame") -> dict[str, int]:
    from pyspark.sql import functions as F

    sums = [F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in COUNTERS]
    states = [
        F.count_if(F.col("_state") == "live").alias("live"),
        F.count_if(F.col("_state") == "withdrawn").alias("withdrawn_keys"),
    ]
    row = current.agg(*sums, *states).collect()[0]
    return {name: int(value) for name, value in row.asDict().items()}


def _rejections(
    rows: "DataFrame", spark: "SparkSession", engine: Engine, dataset: str, *, accepted: "DataFrame | None" = None
) -> dict[str, int]:
    """Rejected rows by what became of them."""
    rejected = rows.where("not _accepted").select(
        "_kafka_topic", "_kafka_partition", "_kafka_offset", "_source", "_event_id", "_appended_at"
    )
    answers = rows.where("_accepted") if accepted is None else accepted
    judged = with_fates(rejected, answers, spark, engine, dataset)
    return {row["fate"]: row["count"] for row in judged.groupBy("fate").count().collect()}
