"""The fold of landed events in Spark: which keys an event touches, and what becomes of each event of a touched key.

What the fold compares (content, order) is worked out from the typed columns by today's contract, not by the one that was there at
landing: another column that orders, a decimal that got wider and a rotated pseudonym apply to all events alike.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING, TypeVar

from commonweal.contract.model import Contract
from commonweal.render.lake_schema import PLACE_COLUMNS, ddl, fields_schema, landing_schema
from commonweal.settling import OUTCOME_FIELDS, settle_batches

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Key = TypeVar("Key", bound=Hashable)

ENVELOPE = ("_source", "_event_id", "_event_type", "_replaces", "_recorded_at", "_occurred_at", "_sequence", "_base")
FLAGS = ("_digest", "_id_conflict", "_target")
FLAGS_DDL = "_digest STRING, _id_conflict BOOLEAN, _target STRING"
FEW_KEYS = 100_000
"""So many keys' event ids fit into the memory of every Spark process at once."""
EXACT = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "ignoreNullFields": "true"}


@dataclass(frozen=True)
class Touched:
    """Some keys, and all their accepted events with digests; both persisted, the caller lets them go."""

    keys: "DataFrame"
    events: "DataFrame"

    @classmethod
    def of(cls, contract: Contract, keys: "DataFrame", events: "DataFrame") -> "Touched":
        """The keys, which are persisted, with theirs of some events."""
        return cls(keys, with_digests(contract, events.join(keys, keys.columns, "left_semi")).persist())

    def let_go(self) -> None:
        """Free the memory of both."""
        self.events.unpersist()
        self.keys.unpersist()


def accepted_events(contract: Contract, landing: "DataFrame") -> "DataFrame":
    """The accepted rows of landing, with ``_occurred_at`` and ``_sequence`` as the contract has them today.

    What is sealed beside them is not read: of all columns it takes most room, and nothing here can open it.
    """
    from pyspark.sql import functions as F

    occurred = [F.col(contract.field(name).column).cast("timestamp") for name in contract.occurred_at]
    sequence = F.col(contract.field(contract.sequence).column) if contract.sequence else F.lit(None)
    return (
        landing.where("_accepted")
        .drop("_accepted", "_reasons", "_sealed")
        .withColumn("_occurred_at", F.coalesce(*occurred, F.col("_occurred_at")))
        .withColumn("_sequence", sequence.cast("bigint"))
        .withColumn("_base", F.coalesce("_base", F.lit(False)))
    )


def with_digests(contract: Contract, events: "DataFrame") -> "DataFrame":
    """Accepted events with ``_digest``; asked for last, since it costs more than reading them.

    It is the SHA-256 of an event's content: type, what it replaces, and its typed values. Equal content has an equal digest
    however it was written. A missing value leaves no trace, so that a column which the contract gains changes no digest.
    """
    from pyspark.sql import functions as F

    content = F.struct("_event_type", "_replaces", *(field.column for field in contract.fields))
    return events.withColumn("_digest", F.sha2(F.to_json(content, EXACT), 256))


def closed_keys(contract: Contract, events: "DataFrame", seeds: "DataFrame") -> Touched:
    """Some keys, and all that hang together with them: closed over (source, event id) and ``replaces``, in both directions.

    Keys are linked only where one id is spoken of under several of them, which is rare: mostly a look for such ids among those of
    the seeds' events finds none. Else all linked keys, which are few, are brought here and closed over in memory. Rounds of joins
    would triple the plan with each, and a chain of ten would fill the server's memory.

    Args:
        contract: The dataset.
        events: All accepted events.
        seeds: Keys to begin with, distinct.
    """
    from pyspark.sql import functions as F

    keys = list(contract.key_columns)
    seeds = seeds.persist()
    # Counted, they are known to be few, and are sent to the events instead of the events to them.
    few = seeds.count() <= FEW_KEYS
    own = Touched.of(contract, seeds, events)
    if not _are_spoken_of_elsewhere(events, own, keys, few=few):
        return own
    together = _names(events, F.struct(*keys).alias("_key")).groupBy("_source", "_name")
    linked_keys = together.agg(F.collect_set("_key").alias("_keys")).where("size(_keys) > 1").select("_keys")
    linked = [[tuple(key) for key in row["_keys"]] for row in linked_keys.collect()]
    rows = [(number, *key) for number, component in enumerate(components(linked)) for key in component]
    members = events.sparkSession.createDataFrame(rows, f"_component INT, {_key_ddl(contract)}")
    touched = members.join(seeds, keys, "left_semi").select("_component").distinct()
    closed = seeds.union(members.join(touched, ["_component"], "left_semi").select(*keys)).distinct().persist()
    closed.count()
    own.let_go()
    return Touched.of(contract, closed, events)


def _are_spoken_of_elsewhere(events: "DataFrame", touched: Touched, keys: list[str], *, few: bool) -> bool:
    """Whether an id that the touched keys' events have or replace stands in an event of another key.

    Ids are compared by their hashes, which are short: should two of different ids be equal, more keys are looked at than need be.
    """
    from pyspark.sql import functions as F

    hashed = F.xxhash64("_source", "_name").alias("_id")
    own, others = _names(touched.events).select(hashed), _names(events, *keys).select(*keys, hashed)
    elsewhere = others.join(F.broadcast(own) if few else own.distinct(), ["_id"], "left_semi")
    # Counted, not looked for the first: Spark numbers each limit, and Java would compile the query anew.
    return elsewhere.join(touched.keys, keys, "left_anti").count() > 0


def _names(events: "DataFrame", *others: "str | Column") -> "DataFrame":
    """One row per id that an event has or replaces: ``_source``, ``_name`` and what else is asked for.

    Read twice: by what is known of each file, most need not be opened to find that no event in it replaces another.
    """
    from pyspark.sql import functions as F

    ids, replaced = (events.select(*others, "_source", F.col(name).alias("_name")) for name in ("_event_id", "_replaces"))
    return ids.union(replaced.where("_name is not null"))


def components(linked: Iterable[Sequence[Key]]) -> list[list[Key]]:
    """Groups of things that hang together, from lists of things that are linked.

    >>> components([["a", "b"], ["c", "d"], ["b", "e"]])
    [['a', 'b', 'e'], ['c', 'd']]
    """
    leader: dict[Key, Key] = {}

    def find(key: Key) -> Key:
        while leader.setdefault(key, key) != key:
            leader[key] = key = leader[leader[key]]
        return key

    for keys in linked:
        for key in keys:
            leader[find(key)] = find(keys[0])
    found: dict[Key, list[Key]] = {}
    for key in leader:
        found.setdefault(find(key), []).append(key)
    return list(found.values())


@dataclass(frozen=True)
class Links:
    """What events have to do with each other, counted.

    Attributes:
        events: All events.
        conflicts: Event ids of which there are different contents.
        replacements: Events that replace another.
    """

    events: int
    conflicts: int
    replacements: int


def links(touched: "DataFrame") -> Links:
    """Count them, so that what isn't there is not looked for: mostly there is neither, and looking is a join each.

    Contents are compared only when an id stands in two events, or two ids have one hash.
    """
    from pyspark.sql import functions as F

    ids = touched.groupBy(F.xxhash64("_source", "_event_id")).agg(
        F.count("*").alias("events"), F.count("_replaces").alias("replacing")
    )
    counted = ids.agg(F.sum("events"), F.max("events"), F.sum("replacing")).collect()[0]
    events, most, replacements = (int(count or 0) for count in counted)
    return Links(events, _contents(touched).where("low <> high").count() if most > 1 else 0, replacements)


def flagged(contract: Contract, touched: "DataFrame", events: "DataFrame", known: Links | None = None) -> "DataFrame":
    """The touched events with what the fold of one key can't see by itself: id conflicts, and where their targets stand.

    Args:
        contract: The dataset.
        touched: All events of the keys that are folded, with digests; closed, see ``closed_keys``.
        events: All accepted events, to find the targets of replacements among.
        known: How many of either there are; None where that was not counted.
    """
    from pyspark.sql import functions as F

    conflict, target = F.lit(None).cast("boolean"), F.lit(None).cast("string")
    if known is None or known.conflicts:
        conflicting = _contents(touched).where("low <> high").select("_source", "_event_id", F.lit(True).alias("_id_conflict"))
        touched, conflict = touched.join(F.broadcast(conflicting), ["_source", "_event_id"], "left"), F.col("_id_conflict")
    if known is None or known.replacements:
        few = known is not None and known.replacements <= FEW_KEYS
        targets = _targets(touched, events, list(contract.key_columns), few=few)
        touched, target = touched.join(F.broadcast(targets), ["_source", "_event_id", "_replaces"], "left"), F.col("_target")
    is_none = F.col("_replaces").isNull()
    return touched.withColumn("_id_conflict", F.coalesce(conflict, F.lit(False))).withColumn(
        "_target", F.when(is_none, "none").otherwise(F.coalesce(target, F.lit("absent")))
    )


def _contents(touched: "DataFrame") -> "DataFrame":
    """For each event id its least digest and its greatest: ``low`` and ``high``."""
    from pyspark.sql import functions as F

    return touched.groupBy("_source", "_event_id").agg(F.min("_digest").alias("low"), F.max("_digest").alias("high"))


def by_key(contract: Contract, flagged_events: "DataFrame", *others: str) -> "DataFrame":
    """What the fold reads of each event, and ``others``; the events of one key together and in one partition."""
    keys = list(contract.key_columns)
    columns = [*PLACE_COLUMNS, *ENVELOPE, *(field.column for field in contract.fields), *FLAGS, *others]
    return flagged_events.select(*columns).repartition(*keys).sortWithinPartitions(*keys)


def folded_ddl(contract: Contract) -> str:
    """The columns of ``by_key`` in Spark's DDL."""
    landing = landing_schema(contract)
    known = [landing.field(name) for name in (*PLACE_COLUMNS, *ENVELOPE)]
    return ", ".join((ddl(known), ddl(fields_schema(contract)), FLAGS_DDL))


def settled(contract: Contract, touched: "DataFrame", events: "DataFrame", known: Links | None) -> "DataFrame":
    """The touched events with their verdicts, periods, and on one of each key the key's state and counters; see ``flagged``."""
    import pyarrow as pa

    outcome = f"{folded_ddl(contract)}, {ddl(pa.schema(OUTCOME_FIELDS))}"
    rows = by_key(contract, flagged(contract, touched, events, known))
    return rows.mapInArrow(partial(settle_batches, key_columns=contract.key_columns), outcome)


def same_key(keys: "list[str]", prefix: str) -> "Column":
    """Whether a row's key is the one in columns of that prefix."""
    from pyspark.sql import functions as F

    return reduce(lambda one, other: one & other, [F.col(key) == F.col(f"{prefix}{key}") for key in keys])


def _key_ddl(contract: Contract) -> str:
    fields = fields_schema(contract)
    return ddl(fields.field(name) for name in contract.key_columns)


def _targets(touched: "DataFrame", events: "DataFrame", keys: list[str], *, few: bool) -> "DataFrame":
    """For each event that replaces another: whether its target landed under the same key or under another one."""
    from pyspark.sql import functions as F

    replacing = touched.where("_replaces is not null").select("_source", "_event_id", "_replaces", *keys)
    targets = events.select("_source", F.col("_event_id").alias("_replaces"), *(F.col(key).alias(f"t_{key}") for key in keys))
    return (
        (F.broadcast(replacing) if few else replacing)
        .join(targets, ["_source", "_replaces"], "inner")
        .groupBy("_source", "_event_id", "_replaces")
        .agg(F.when(F.bool_and(same_key(keys, "t_")), "same_key").otherwise("other_key").alias("_target"))
    )
