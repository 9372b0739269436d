"""Compaction: many small files become few, on a branch of its own; the content's digest must stay the same.

Each landing and each clean adds files, and with each file all reading gets slower. Work in the day joins them when they are many
for what they hold, so that joining costs each step the same on average, however large a table is; maintenance does the rest.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection

from commonweal import evidence
from commonweal.contract.model import Contract
from commonweal.errors import ConflictError, GateClosedError
from commonweal.lake.catalog import create_branch, drop_branch, head, load, summary
from commonweal.lake.commit import Change, RefMove, commit, no_rows
from commonweal.lake.lease import Lease
from commonweal.lake.names import MAIN, TableId, attempt_branch, landing_table
from commonweal.lake.spark import at
from commonweal.ports import Ports

log = structlog.get_logger()

FEW_FILES, ROWS_A_FILE = 16, 50_000
OPTIONS = "map('min-input-files', '2', 'delete-file-threshold', '1', 'remove-dangling-deletes', 'true')"


def files(ports: Ports, table: TableId, snapshot: int) -> int:
    """How many files a snapshot consists of, those of deletions among them."""
    counted = summary(ports.lake, table, snapshot)
    return int(counted.get("total-data-files", 0)) + int(counted.get("total-delete-files", 0))


def has_many_files(ports: Ports, table: TableId, ref: str) -> bool:
    """Whether what stands at a ref has more than a few files of rows, and more than one for so many rows; False without one.

    Files of deletions don't count: there are about as many as files that they delete from, and old ones may outlive those.
    """
    found = load(ports.lake, table).metadata.snapshot_by_name(ref)
    if found is None or found.summary is None:
        return False
    counted = found.summary.additional_properties
    return int(counted.get("total-data-files", 0)) > max(FEW_FILES, int(counted.get("total-records", 0)) // ROWS_A_FILE)


def content_digest(ports: Ports, table: TableId, snapshot: int, columns: Sequence[str] = ()) -> tuple[Any, ...]:
    """Number of rows, and two sums over all rows of a hash of the columns' values, by default all; the order doesn't matter."""
    from pyspark.sql import functions as F

    frame = at(ports.spark, table, snapshot)
    columns = columns or frame.columns
    # A null leaves the hash as it was, so that which values are null goes in by itself.
    values = [*(F.col(name) for name in columns), *(F.col(name).isNull() for name in columns)]
    hashed = frame.select(F.xxhash64(*values).alias("h"))
    row = hashed.agg(F.count("*"), F.sum(F.col("h").cast("decimal(38,0)")), F.bit_xor("h")).collect()[0]
    return tuple(row)


def join_small_files(ports: Ports, table: TableId, branch: str, snapshot: int) -> int:
    """The snapshot of an attempt's branch, with few files if they were many; those that can't be joined stay, and it is logged.

    Maintenance tries them again at night, and says it when it can't either.
    """
    if not has_many_files(ports, table, branch):
        return snapshot
    try:
        return compact_branch(ports, table, branch, snapshot)
    except GateClosedError as refusal:
        log.error("not_joined", table=table.sql, why=str(refusal))
        create_branch(ports.lake, table, branch, snapshot)
        return snapshot


def join_small_files_of_landing(contract: Contract, ports: Ports, lease: Lease) -> None:
    """The same, of a source's landing table where it stands.

    Raises:
        ConflictError, FencedError, TransientError: As the commit function.
    """
    if not has_many_files(ports, landing_table(contract), MAIN):
        return
    try:
        compact_landing(contract, ports, lease)
    except GateClosedError as refusal:
        log.error("not_joined", table=landing_table(contract).sql, why=str(refusal))


def compact_landing(contract: Contract, ports: Ports, lease: Lease) -> None:
    """Join the files of a source's landing table where it stands.

    Raises:
        GateClosedError: The content would not be the same; nothing changed.
        ConflictError, FencedError, TransientError: As the commit function.
    """
    table, branch = landing_table(contract), attempt_branch(lease.epoch)
    snapshot = head(ports.lake, table, MAIN)
    if snapshot is None:
        raise ConflictError(f"{table.sql} has no first snapshot; run: commonweal apply")
    create_branch(ports.lake, table, branch, snapshot)
    written = compact_branch(ports, table, branch, snapshot)
    try:
        commit_compacted(ports, lease, branch, (RefMove(table, MAIN, snapshot, written), RefMove(table, branch, written, None)))
    except ConflictError:
        drop_branch(ports.lake, table, branch)
        raise


def compact_branch(ports: Ports, table: TableId, branch: str, snapshot: int) -> int:
    """Join the files of a branch, which is at a snapshot; returns its new one.

    Raises:
        GateClosedError: The content would not be the same; the branch is gone.
        ConflictError: The branch is gone.
    """
    name = ".".join(table.parts)
    call = f"call lake.system.rewrite_data_files(table => '{name}', branch => '{branch}', options => {OPTIONS})"
    ports.spark.sql(call).collect()
    written = head(ports.lake, table, branch)
    if written is None:
        raise ConflictError(f"{table.sql}: branch {branch} is gone; nothing changed")
    # The table may have gained a column meanwhile, of which nothing is known before.
    columns = at(ports.spark, table, snapshot).columns
    before, after = (content_digest(ports, table, number, columns) for number in (snapshot, written))
    if before != after:
        drop_branch(ports.lake, table, branch)
        raise GateClosedError(
            f"{table.sql}: joining its files would have changed the content; they stay as they are, and no row is lost. "
            "Please report it, with the versions of Spark and Iceberg"
        )
    return written


def commit_compacted(
    ports: Ports, lease: Lease, attempt: str, moves: Iterable[RefMove], rows: Callable[[Connection], None] = no_rows
) -> None:
    """Commit what an attempt wrote, with its evidence."""
    moves = tuple(moves)
    moved: Mapping[str, list[str]] = {m.table.sql: [str(m.expected), str(m.snapshot)] for m in moves if m.snapshot is not None}
    entry = evidence.Entry("pipeline", "compacted", lease.dataset, {"attempt": attempt, "snapshots": dict(moved)})
    commit(ports.engine, ports.lake, Change(attempt, "compact", lease, moves, rows, entry))
