"""Compaction: many small files become few, on a branch of its own; the content's digest must stay the same.

Landing is compacted where it stands. What people read is never swapped under them: a compacted dataset is a new candidate, which
the gate audits and a release follows like any other; so only one that is released, held by nobody, and has many files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from commonweal import evidence
from commonweal.contract.model import Contract
from commonweal.errors import ConflictError, GateClosedError
from commonweal.lake.candidates import CARRIES, Candidate, read_candidate, write_candidate
from commonweal.lake.catalog import create_branch, drop_branch, head, summary
from commonweal.lake.commit import Change, RefMove, commit, no_rows
from commonweal.lake.lease import Lease
from commonweal.lake.names import CANDIDATE, MAIN, TableId, attempt_branch, landing_table, released_tables
from commonweal.lake.releases import current_release, hold_of
from commonweal.lake.spark import at
from commonweal.maintenance.turns import in_turn
from commonweal.ports import Ports

MANY_FILES = 100
OPTIONS = "map('min-input-files', '2', 'delete-file-threshold', '1', 'remove-dangling-deletes', 'true')"


def compact(ports: Ports, contracts: Iterable[Contract], *, many: int = MANY_FILES) -> dict[str, int]:
    """Compact every table with many files."""
    tables, busy = in_turn(ports, contracts, "compact", partial(_compact, ports, many))
    return {"tables": tables, "busy": busy}


def content_digest(ports: Ports, table: TableId, snapshot: int) -> tuple[Any, ...]:
    """Number of rows, and two sums over all rows of a hash of all values; the order of rows doesn't matter."""
    from pyspark.sql import functions as F

    frame = at(ports.spark, table, snapshot)
    # A null leaves the hash as it was, so that which values are null goes in by itself.
    columns = [*(F.col(name) for name in frame.columns), *(F.col(name).isNull() for name in frame.columns)]
    hashed = frame.select(F.xxhash64(*columns).alias("h"))
    row = hashed.agg(F.count("*"), F.sum(F.col("h").cast("decimal(38,0)")), F.bit_xor("h")).collect()[0]
    return tuple(row)


def _compact(ports: Ports, many: int, contract: Contract, lease: Lease) -> int:
    done = 0
    if contract.kind == "source":
        done += _compact_landing(ports, many, contract, lease)
    candidate = read_candidate(ports.engine, contract.id)
    if candidate and _is_at_rest(ports, contract, candidate):
        done += _compact_candidate(ports, many, contract, lease, candidate)
    return done


def _is_at_rest(ports: Ports, contract: Contract, candidate: Candidate) -> bool:
    released = current_release(ports.engine, contract.id)
    is_released = released is not None and released.snapshots == candidate.snapshots
    return is_released and hold_of(ports.engine, contract.id) is None


def _compact_landing(ports: Ports, many: int, contract: Contract, lease: Lease) -> int:
    table = landing_table(contract)
    snapshot = head(ports.lake, table, MAIN)
    if snapshot is None or _files(ports, table, snapshot) < many:
        return 0
    branch = attempt_branch(lease.epoch)
    written = _rewritten(ports, table, snapshot, branch)
    moves = (RefMove(table, MAIN, snapshot, written), RefMove(table, branch, written, None))
    _commit(ports, lease, branch, moves, no_rows)
    return 1


def _compact_candidate(ports: Ports, many: int, contract: Contract, lease: Lease, before: Candidate) -> int:
    """One new candidate with the same content: same offsets, same inputs, other files."""
    tables = released_tables(contract).items()
    wanted = {name: table for name, table in tables if _files(ports, table, before.snapshots[name]) >= many}
    if not wanted:
        return 0
    branch, snapshots, moves = attempt_branch(lease.epoch), dict[str, int](before.snapshots), list[RefMove]()
    for name, table in wanted.items():
        snapshots[name] = _rewritten(ports, table, before.snapshots[name], branch)
        moves += [
            RefMove(table, CANDIDATE, before.snapshots[name], snapshots[name]),
            RefMove(table, branch, snapshots[name], None),
        ]
    counts = {**before.counts, "keys": 0, CARRIES: before.content}
    after = replace(before, number=before.number + 1, commit_id=branch, snapshots=snapshots, rows={}, counts=counts)
    _commit(ports, lease, branch, moves, partial(write_candidate, candidate=after))
    return len(wanted)


def _files(ports: Ports, table: TableId, snapshot: int) -> int:
    counted = summary(ports.lake, table, snapshot)
    return int(counted.get("total-data-files", 0)) + int(counted.get("total-delete-files", 0))


def _rewritten(ports: Ports, table: TableId, snapshot: int, branch: str) -> int:
    """The compacted snapshot on the branch; main and candidate have not moved.

    Raises:
        GateClosedError: The content is not the same; nothing was committed.
        ConflictError: The branch is gone.
    """
    create_branch(ports.lake, table, branch, snapshot)
    name = ".".join(table.parts)
    call = f"call lake.system.rewrite_data_files(table => '{name}', branch => '{branch}', options => {OPTIONS})"
    ports.spark.sql(call).collect()
    written = head(ports.lake, table, branch)
    if written is None:
        raise ConflictError(f"{table.sql}: branch {branch} is gone; nothing changed")
    if content_digest(ports, table, snapshot) != content_digest(ports, table, written):
        drop_branch(ports.lake, table, branch)
        raise GateClosedError(f"{table.sql}: compaction would have changed the content; nothing was committed")
    return written


def _commit(ports: Ports, lease: Lease, attempt: str, moves: Iterable[RefMove], rows: Any) -> None:  # noqa: ANN401
    moved: Mapping[str, list[str]] = {m.table.sql: [str(m.expected), str(m.snapshot)] for m in moves if m.snapshot is not None}
    entry = evidence.Entry("pipeline", "compacted", lease.dataset, {"attempt": attempt, "snapshots": dict(moved)})
    commit(ports.engine, ports.lake, Change(attempt, "compact", lease, tuple(moves), rows, entry))
