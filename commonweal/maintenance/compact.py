"""Nightly compaction of every table with many files, see ``commonweal.compaction``.

Landing is compacted where it stands. What people read is never swapped under them: a compacted dataset is a new candidate, which
the gate audits and a release follows like any other; so only one that is released, held by nobody, and has many files.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from commonweal.compaction import commit_compacted, compact_branch, compact_landing, files
from commonweal.contract.model import Contract
from commonweal.lake.candidates import CARRIES, Candidate, read_candidate, write_candidate
from commonweal.lake.catalog import create_branch, head
from commonweal.lake.commit import RefMove
from commonweal.lake.lease import Lease
from commonweal.lake.names import CANDIDATE, MAIN, attempt_branch, landing_table, released_tables
from commonweal.lake.releases import current_release, hold_of
from commonweal.maintenance.turns import in_turn
from commonweal.ports import Ports

MANY_FILES = 100


def compact(ports: Ports, contracts: Iterable[Contract], *, many: int = MANY_FILES) -> dict[str, int]:
    """Compact every table with many files."""
    tables, busy = in_turn(ports, contracts, "compact", partial(_compact, ports, many))
    return {"tables": tables, "busy": busy}


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
    if snapshot is None or files(ports, table, snapshot) < many:
        return 0
    compact_landing(contract, ports, lease)
    return 1


def _compact_candidate(ports: Ports, many: int, contract: Contract, lease: Lease, before: Candidate) -> int:
    """One new candidate with the same content: same offsets, same inputs, other files."""
    tables = released_tables(contract).items()
    wanted = {name: table for name, table in tables if files(ports, table, before.snapshots[name]) >= many}
    if not wanted:
        return 0
    branch, snapshots, moves = attempt_branch(lease.epoch), dict[str, int](before.snapshots), list[RefMove]()
    for name, table in wanted.items():
        create_branch(ports.lake, table, branch, before.snapshots[name])
        snapshots[name] = compact_branch(ports, table, branch, before.snapshots[name])
        moves += [
            RefMove(table, CANDIDATE, before.snapshots[name], snapshots[name]),
            RefMove(table, branch, snapshots[name], None),
        ]
    counts = {**before.counts, "keys": 0, CARRIES: before.content}
    after = replace(before, number=before.number + 1, commit_id=branch, snapshots=snapshots, rows={}, counts=counts)
    commit_compacted(ports, lease, branch, moves, partial(write_candidate, candidate=after))
    return len(wanted)
