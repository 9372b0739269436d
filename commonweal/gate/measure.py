"""What the gate counts for itself, on fixed snapshots: the accounting from Kafka to here, and the joins' coverage.

Each number is counted where it stands (offsets in PostgreSQL, landing rows, key counters), never carried over from the step that
wrote it, so that the equations between them can fail.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

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
from commonweal.render.lake_schema import PLACE_COLUMNS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Kind = TypeVar("Kind", bool, str)

EXPIRED = text("select coalesce(sum(accepted + rejected), 0) from expiry where dataset = :dataset")
BATCHES = text("select topic, end_offsets, gaps from landing_batch where dataset = :dataset")
LOSSES = text("select topic, partition, start_offset, end_offset from accepted_loss where dataset = :dataset")
COUNTERS = ("_events", "_superseded", "_duplicates", "_conflicts", "_pending", "_withdrawn")


@dataclass(frozen=True)
class Counting:
    """A source's candidate, counted: each table is read once for all that is asked of it.

    Attributes:
        contract: The source.
        candidate: Whose snapshots are counted.
        before: What people read now; None before the first release.
        spark: To read the tables with.
        engine: To read with what was recorded of batches, losses and decisions.
    """

    contract: Contract
    candidate: Candidate
    before: Release | None
    spark: "SparkSession"
    engine: Engine

    def accounting(self) -> Accounting:
        """Where every offset went that the candidate holds, since the first one."""
        ends = {topic: from_json(offsets) for topic, offsets in self.candidate.offsets.items()}
        gaps, lost, expired = _recorded(self.engine, self.contract.id, ends)
        return Accounting(
            offsets=sum(count({}, end) for end in ends.values()) - lost,
            gaps=gaps,
            landed=self._landed.total(),
            accepted=_sum(self._landed, True),
            rejected=_sum(self._landed, False),
            live=self._keys["live"],
            superseded=self._keys["_superseded"],
            duplicate=self._keys["_duplicates"],
            conflict=self._keys["_conflicts"],
            pending=self._keys["_pending"],
            withdrawn=self._keys["_withdrawn"],
            open=_sum(self._fates, "open"),
            repaired=_sum(self._fates, "repaired"),
            dismissed=_sum(self._fates, "dismissed"),
            expired=expired,
        )

    def since(self, rows_after: int) -> Since:
        """What happened since the last release; since the beginning when there is none.

        Args:
            rows_after: How many rows people would read in ``current``, counted in what they would read.
        """
        before = self.before
        return Since(
            rows_before=before.rows["current"] if before else None,
            rows_after=rows_after,
            rejected_open=self._fates["open", True],
            accepted=self._landed[True, True],
            gaps=self._gaps(self.candidate.offsets) - (self._gaps(before.offsets) if before else 0),
            **self._worse(),
        )

    @cached_property
    def _current(self) -> "DataFrame":
        return current_at(self.contract, self.spark, self.candidate.snapshots["current"])

    @cached_property
    def _keys(self) -> dict[str, int]:
        return _key_counts(self._current)

    @cached_property
    def _landing(self) -> "DataFrame":
        """Landing rows, with ``_fresh``: whether the release before does not hold them."""
        from pyspark.sql import functions as F

        landing = landing_at(self.contract, self.spark, self.candidate)
        return landing.withColumn("_fresh", ~below(self.before.offsets) if self.before else F.lit(True))  # noqa: FBT003 - a value

    @cached_property
    def _landed(self) -> Counter[tuple[bool, bool]]:
        """Landing rows by whether they are accepted, and fresh."""
        rows = self._landing.groupBy("_accepted", "_fresh").count().collect()
        return Counter({(row["_accepted"], row["_fresh"]): row["count"] for row in rows})

    @cached_property
    def _fates(self) -> Counter[tuple[str, bool]]:
        """Rejected rows by what became of them, and by whether they are fresh."""
        if not _sum(self._landed, False):
            return Counter()
        rejected = self._landing.where("not _accepted").select(*PLACE_COLUMNS, "_source", "_event_id", "_appended_at", "_fresh")
        accepted = self._landing.where("_accepted").drop("_fresh")
        judged = with_fates(rejected, accepted, self.spark, self.engine, self.contract.id)
        return Counter({(row["fate"], row["_fresh"]): row["count"] for row in judged.groupBy("fate", "_fresh").count().collect()})

    def _worse(self) -> dict[str, int]:
        if not any(self._keys[name] for name in ("withdrawn_keys", "_conflicts", "_pending")):
            return {"withdrawn": 0, "set_aside": 0}
        before = self.before
        then = current_at(self.contract, self.spark, before.snapshots["current"]) if before else self._current.limit(0)
        if _have_the_same_key(self.contract, self.candidate, before, then):
            return _worse_by_key(self.contract, self._current, then)
        return _worse_in_sum(self._keys, _key_counts(then))

    def _gaps(self, offsets: Mapping[str, Mapping[str, int]]) -> int:
        return _recorded(self.engine, self.contract.id, {topic: from_json(ends) for topic, ends in offsets.items()})[0]


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


def _worse_in_sum(after: Mapping[str, int], was: Mapping[str, int]) -> dict[str, int]:
    """The same as differences of sums, where keys can't be compared."""
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


def _sum(counts: Counter[tuple[Kind, bool]], kind: Kind) -> int:
    """The fresh ones of a kind, and the others."""
    return counts[kind, True] + counts[kind, False]
