"""Which groups of a product's rows may be others since its last candidate: those of the inputs' rows that came or went since.

A contract may say (``groupedBy``) that what a transform finds for one value of a column follows from the inputs' rows of that
value alone. Then only groups that can have changed are joined anew, if they are few. Two releases say which, where the records
of their tables show that rows were only appended and marked as deleted between them; else everything is joined.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Snapshot

from commonweal.contract.model import Contract, Input, TableName
from commonweal.lake.candidates import Candidate
from commonweal.lake.catalog import load
from commonweal.lake.names import released_table
from commonweal.lake.releases import Release, numbered_release
from commonweal.lake.spark import appended, at
from commonweal.ports import Ports

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FEW_ROWS = 100_000
"""Inputs with fewer are joined whole: to look for what changed takes as long."""
MOST_CHANGED = 0.1
"""Of an input's rows; when more came, everything is joined."""


@dataclass(frozen=True)
class Groups:
    """The groups to join anew.

    Attributes:
        keys: One column, each group once.
        kept: Lets go what Spark keeps for them.
    """

    keys: "DataFrame"
    kept: ExitStack

    def rows_of(self, frame: "DataFrame") -> "DataFrame":
        """Their rows of an input, read once, however often a transform looks at them."""
        return _kept(frame.join(self.keys, self.keys.columns, "left_semi"), self.kept)


@contextmanager
def changed_groups(
    contract: Contract, ports: Ports, chosen: Mapping[str, Release], before: Candidate | None
) -> Iterator[Groups | None]:
    """The groups to join anew; None when everything is to be.

    Args:
        contract: A product.
        ports: The world.
        chosen: By input dataset, the release to join.
        before: The candidate whose rows are there, made by today's contract and code; None when there is none.
    """
    column = contract.grouped_by
    changed = _changed_inputs(contract, ports, chosen, before) if column and before else []
    if column is None or not changed:
        yield None
        return
    with ExitStack() as kept:
        frames = [frame for change in changed for frame in _groups(column, ports, change, kept)]
        groups = reduce(lambda one, other: one.unionByName(other), frames).dropna().distinct()
        yield Groups(_kept(groups, kept), kept)


class Changed(NamedTuple):
    """Of one source, the release that was joined before, the one to join, and the inputs that are tables of theirs."""

    was: Release
    now: Release
    inputs: tuple[Input, ...]


def _changed_inputs(contract: Contract, ports: Ports, chosen: Mapping[str, Release], before: Candidate) -> list[Changed]:
    """The sources whose releases are others than before; none when these don't say which groups have changed."""
    changed = []
    for dataset, now in chosen.items():
        was = numbered_release(ports.engine, dataset, before.inputs.get(dataset, 0))
        if was is None:
            return []
        if was.number != now.number:
            if not _only_grew(ports, was, now):
                return []
            changed.append(Changed(was, now, tuple(item for item in contract.inputs if item.dataset == dataset)))
    rows = sum(sum(release.rows.values()) for release in chosen.values())
    return changed if rows >= FEW_ROWS else []


def _only_grew(ports: Ports, was: Release, now: Release) -> bool:
    """Whether in each table of a source a few rows came, and others were marked as deleted, from one release to the next."""
    source = ports.contract(now.dataset)
    contracts = {was.contract_digest, now.contract_digest, source.digest}  # by another, other columns may be the key
    if source.kind != "source" or was.key_epoch != now.key_epoch or len(contracts) > 1:
        return False
    for table in source.tables:
        metadata = load(ports.lake, released_table(source, table)).metadata
        added = added_since(metadata, was.snapshots[table], now.snapshots[table])
        if added is None or added > MOST_CHANGED * now.rows[table]:
            return False
    return True


def added_since(metadata: TableMetadata, was: int, now: int) -> int | None:
    """How many rows the snapshots after one, up to and with another, appended.

    Args:
        metadata: The table's.
        was: The one.
        now: The other.

    Returns:
        None when the one doesn't lead to the other, as after a rollback; when a snapshot between them is no longer known; or when
        one of them put other rows in the place of files, as a rebuild does. What compaction rewrites stays the same.
    """
    added, found = 0, metadata.snapshot_by_id(now)
    while found is not None and found.snapshot_id != was:
        operation, counts = _recorded(found)
        if operation == Operation.APPEND:
            added += int(counts.get("added-records", 0))
        elif operation != Operation.REPLACE and (
            int(counts.get("deleted-data-files", 0)) or int(counts.get("added-data-files", 0))
        ):
            return None
        found = metadata.snapshot_by_id(found.parent_snapshot_id) if found.parent_snapshot_id is not None else None
    return None if found is None else added


def _recorded(snapshot: Snapshot) -> tuple[Operation, Mapping[str, str]]:
    """What a snapshot did, and its counts; one that says nothing may have done anything."""
    if snapshot.summary is None:
        return Operation.OVERWRITE, {"added-data-files": "1"}
    return snapshot.summary.operation, snapshot.summary.additional_properties


def _groups(column: str, ports: Ports, change: Changed, kept: ExitStack) -> "Iterator[DataFrame]":
    """The groups of one source's rows that came, and of those that went."""
    source = ports.contract(change.now.dataset)
    # Clean puts rows in the place of all rows of a key, in both tables; each of these keys has a row in current, if a hidden one.
    keys = _kept(_came(ports, source, "current", change).select(*source.key_columns).distinct(), kept)
    for item in change.inputs:
        went = at(ports.spark, released_table(source, item.table), change.was.snapshots[item.table])
        yield _came(ports, source, item.table, change).select(column)
        yield went.join(keys, keys.columns, "left_semi").select(column)


def _came(ports: Ports, source: Contract, table: TableName, change: Changed) -> "DataFrame":
    return appended(ports.spark, released_table(source, table), change.was.snapshots[table], change.now.snapshots[table])


def _kept(frame: "DataFrame", kept: ExitStack) -> "DataFrame":
    """The frame in Spark's memory until the stack is left, so that Spark knows how small it is."""
    frame.persist()
    kept.callback(frame.unpersist)
    frame.count()
    return frame
