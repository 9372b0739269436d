"""The one commit function: landing, clean, join, release, rollback, compaction all change the lake through it, and only so.

An attempt writes its data on branches of its own. Then one PostgreSQL transaction locks the dataset's lease row, moves refs by
compare-and-swap of the tables' metadata pointers, writes the rows that belong to the change (offsets, candidate, release,
outbox), a commit record, and the evidence. Either all of it happened or none of it.

An answer to COMMIT that was lost is resolved by reading the commit record, never guessed: first the lease row is locked, which
waits for a transaction that is still on its way.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    AssertTableUUID,
    RemoveSnapshotRefUpdate,
    SetSnapshotRefUpdate,
    TableRequirement,
)
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from commonweal import evidence, outbox
from commonweal.database import database_errors, translated
from commonweal.errors import ConflictError, TransientError
from commonweal.lake import lease as leases
from commonweal.lake.catalog import load
from commonweal.lake.clocks import refuse_own_time
from commonweal.lake.lease import Lease
from commonweal.lake.names import TableId
from commonweal.outbox import Announcement

STAGE_ATTEMPTS = 8
"""How often a commit is staged anew when only other refs of a table moved meanwhile."""

SWAP = text("""
update iceberg_tables set metadata_location = :new, previous_metadata_location = :old
where catalog_name = :catalog and table_namespace = :namespace and table_name = :name and metadata_location = :old
""")
RECORD = text("insert into commit_record (id, dataset, step, epoch) values (:id, :dataset, :step, :epoch)")
RECORDED = text("select 1 from commit_record where id = :id")


def no_rows(connection: Connection) -> None:  # noqa: ARG001 - what ``Change.rows`` is handed
    """The rows of a change that only moves refs."""


@dataclass(frozen=True)
class RefMove:
    """One ref of one table, moved from the snapshot it must still be at.

    Attributes:
        table: The table.
        ref: Branch or tag.
        expected: The snapshot that the ref must be at now; None when it must not exist.
        snapshot: Where it moves; None to remove it.
        tag: True for a tag.
    """

    table: TableId
    ref: str
    expected: int | None
    snapshot: int | None
    tag: bool = False


@dataclass(frozen=True)
class Change:
    """All that one commit does.

    Attributes:
        id: The attempt's name, also of its branches: a second commit with it is impossible.
        step: The step that commits, for people to read.
        lease: The lease under which it may happen.
        moves: Refs to move, over any number of tables.
        rows: Writes the rows that belong to the change, inside the transaction; may raise ConflictError.
        entry: What the evidence log records.
        announcement: What subscribers are told, or None.
    """

    id: str
    step: str
    lease: Lease
    moves: tuple[RefMove, ...]
    rows: Callable[[Connection], None]
    entry: evidence.Entry
    announcement: Announcement | None = None


@dataclass(frozen=True)
class Staged:
    """A table's next metadata, written to the store and not yet pointed at."""

    table: TableId
    loaded: Table
    old: str
    new: str


class _PointerMovedError(ConflictError):
    """Another commit to the same table came between staging and swapping; whether it matters is found by staging again."""


def commit(engine: Engine, lake: SqlCatalog, change: Change) -> None:
    """Do the change, whole or not at all.

    Raises:
        ConfigError: This machine's clock is too far from the database's; nothing changed.
        FencedError: The lease was taken by another run; nothing changed.
        ConflictError: A ref was not where the change expected it, or ``rows`` found a conflict; nothing changed.
        TransientError: Store or database is unreachable, and reading shows that nothing changed.
    """
    refuse_own_time(engine)  # here too: a clock may jump while a step is at work
    retrying = Retrying(
        retry=retry_if_exception_type(_PointerMovedError),
        stop=stop_after_attempt(STAGE_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        reraise=True,
    )
    retrying(_commit_once, engine, lake, change)


def is_committed(engine: Engine, change: Change) -> bool:
    """Whether the change happened: waits for a transaction that still holds the lease's row, then reads."""
    with database_errors(f"reading whether {change.id} was committed"), engine.begin() as connection:
        connection.execute(leases.HELD, {"dataset": change.lease.dataset})
        return connection.execute(RECORDED, {"id": change.id}).first() is not None


def _commit_once(engine: Engine, lake: SqlCatalog, change: Change) -> None:
    staged = _stage(lake, change.moves)
    try:
        with engine.begin() as connection:
            _apply(connection, change, staged)
    except ConflictError:
        _discard(staged)
        raise
    except DBAPIError as error:
        _resolve(engine, change, staged, error)


def _apply(connection: Connection, change: Change, staged: Iterable[Staged]) -> None:
    leases.lock(connection, change.lease)
    for item in staged:
        _swap(connection, item)
    record = {"id": change.id, "dataset": change.lease.dataset, "step": change.step, "epoch": change.lease.epoch}
    connection.execute(RECORD, record)
    change.rows(connection)
    link = evidence.append(connection, change.entry)
    if change.announcement:
        outbox.put(connection, change.lease.dataset, change.announcement, head=link)


def _resolve(engine: Engine, change: Change, staged: Iterable[Staged], error: DBAPIError) -> None:
    """Find out by reading whether a commit whose answer was an error happened."""
    cause = translated(error, f"committing {change.step} of {change.lease.dataset}")
    try:
        happened = is_committed(engine, change)
    except TransientError:
        raise TransientError(f"{cause}; whether it was committed will be read at the next try") from None
    if not happened:
        _discard(staged)
        raise cause from None


def _stage(lake: SqlCatalog, moves: Iterable[RefMove]) -> tuple[Staged, ...]:
    """Write the next metadata of every table, in the tables' order: commits never wait for each other in a circle."""
    by_table: dict[TableId, list[RefMove]] = {}
    for move in moves:
        by_table.setdefault(move.table, []).append(move)
    staged: list[Staged] = []
    try:
        for table in sorted(by_table):
            staged.append(_stage_table(lake, table, by_table[table]))
    except ConflictError:
        _discard(staged)
        raise
    return tuple(staged)


def _stage_table(lake: SqlCatalog, table: TableId, moves: list[RefMove]) -> Staged:
    loaded = load(lake, table)
    for move in moves:
        _check(loaded, move)
    requirements: tuple[TableRequirement, ...] = (
        AssertTableUUID(uuid=loaded.metadata.table_uuid),
        *(_requirement(move) for move in moves),
    )
    updates = tuple(_update(move) for move in moves)
    next_table = lake._update_and_stage_table(loaded, loaded.name(), requirements, updates)
    lake._write_metadata(metadata=next_table.metadata, io=next_table.io, metadata_path=next_table.metadata_location)
    return Staged(table, loaded, loaded.metadata_location, next_table.metadata_location)


def _check(loaded: Table, move: RefMove) -> None:
    found = loaded.metadata.refs.get(move.ref)
    at = found.snapshot_id if found else None
    if at != move.expected:
        raise ConflictError(
            f"{move.table.sql}: ref {move.ref} is at snapshot {at}, expected {move.expected}; nothing changed, run the step again"
        )
    if move.snapshot is not None and loaded.metadata.snapshot_by_id(move.snapshot) is None:
        raise ConflictError(f"{move.table.sql}: snapshot {move.snapshot} is no longer there; nothing changed, run the step again")


def _requirement(move: RefMove) -> AssertRefSnapshotId:
    return AssertRefSnapshotId.model_validate({"ref": move.ref, "snapshot-id": move.expected})


def _update(move: RefMove) -> SetSnapshotRefUpdate | RemoveSnapshotRefUpdate:
    if move.snapshot is None:
        return RemoveSnapshotRefUpdate.model_validate({"ref-name": move.ref})
    kind = "tag" if move.tag else "branch"
    return SetSnapshotRefUpdate.model_validate({"ref-name": move.ref, "type": kind, "snapshot-id": move.snapshot})


def _swap(connection: Connection, item: Staged) -> None:
    values = {
        "catalog": item.loaded.catalog.name,
        "namespace": item.table.namespace,
        "name": item.table.name,
        "old": item.old,
        "new": item.new,
    }
    if connection.execute(SWAP, values).rowcount != 1:
        raise _PointerMovedError(f"{item.table.sql}: other commits kept coming between; nothing changed, run the step again")


def _discard(staged: Iterable[Staged]) -> None:
    """Delete staged metadata that is known to have lost; what can't be deleted now is the janitor's."""
    for item in staged:
        with contextlib.suppress(OSError):
            item.loaded.io.delete(item.new)
