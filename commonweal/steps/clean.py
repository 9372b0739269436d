"""Cleaning: from landed events to ``current`` (one row per business key) and ``history`` (the validity periods of its states).

Each key that a new event touches is recomputed from all its accepted landed events, so the order of arrival can't matter.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text

from commonweal import evidence
from commonweal.compaction import join_small_files
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.epochs import OF_DATASET
from commonweal.errors import ConflictError
from commonweal.folding import Touched, accepted_events, closed_keys, links, settled, with_digests
from commonweal.lake.candidates import CARRIES, Candidate, read_candidate, write_candidate
from commonweal.lake.catalog import create_branch, drop_branch, head
from commonweal.lake.commit import Change, RefMove, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import CANDIDATE, MAIN, TableId, attempt_branch, landing_table, released_tables
from commonweal.lake.spark import at, new_rows, planned_for, replace_rows
from commonweal.offsets import total
from commonweal.ports import Ports
from commonweal.render.lake_schema import current_schema, history_schema
from commonweal.steps.join import made_by

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

log = structlog.get_logger()

LANDED = text("select topic, offsets from landed_offsets where dataset = :dataset order by topic")


@dataclass(frozen=True)
class Basis:
    """What a clean starts from: landed events of one snapshot, and the candidate before."""

    landing_snapshot: int
    offsets: dict[str, dict[str, int]]
    before: Candidate | None
    heads: dict[TableId, int]
    key_epoch: int | None

    def is_rebuild(self, contract: Contract) -> bool:
        """True when every key is recomputed: there is no candidate before, or contract, code or pseudonym keys changed since."""
        before = self.before
        return before is None or (before.contract_digest, before.key_epoch) != (made_by(contract), self.key_epoch)

    def is_rotated(self, contract: Contract) -> bool:
        """True when the pseudonym keys are all that changed since the candidate before."""
        before = self.before
        return before is not None and (before.offsets, before.contract_digest) == (self.offsets, made_by(contract))

    def is_behind(self, contract: Contract) -> bool:
        """True when there is something to clean; a dataset without events has no candidate."""
        if self.before is None:
            return bool(self.offsets)
        return self.before.offsets != self.offsets or self.is_rebuild(contract)


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
    basis = read_basis(contract, ports)
    if not basis.is_behind(contract) and not rebuild:
        return {"keys": 0, "candidate": 0}
    branch = attempt_branch(lease.epoch)
    for table, snapshot in basis.heads.items():
        create_branch(ports.lake, table, branch, snapshot)
    try:
        with planned_for(ports.spark, total(basis.offsets)):
            keys = _write(contract, ports, basis, branch, rebuild or basis.is_rebuild(contract))
        candidate = next_candidate(contract, ports, basis, branch, keys, carries=not rebuild and basis.is_rotated(contract))
        commit(ports.engine, ports.lake, _change(contract, lease, basis, candidate))
    except ConflictError:
        for table in basis.heads:
            drop_branch(ports.lake, table, branch)
        raise
    log.info("cleaned", dataset=contract.id, keys=keys, candidate=candidate.number)
    return {"keys": keys, "candidate": candidate.number}


def read_basis(contract: Contract, ports: Ports) -> Basis:
    """What a clean would start from now.

    Landing can't move meanwhile: the dataset's lease is held.

    Raises:
        ConflictError: A table has no first snapshot.
    """
    with database_errors(f"reading the landed offsets of {contract.id}"), ports.engine.begin() as connection:
        rows = connection.execute(LANDED, {"dataset": contract.id}).all()
        key_epoch = connection.execute(OF_DATASET, {"dataset": contract.id}).scalar() if contract.has_pseudonyms else None
    landing = head(ports.lake, landing_table(contract), MAIN)
    heads = {table: head(ports.lake, table, CANDIDATE) for table in released_tables(contract).values()}
    if landing is None or None in heads.values():
        raise ConflictError(f"{contract.id}: a table has no first snapshot; run: commonweal apply")
    offsets = {row.topic: row.offsets for row in rows}
    before = read_candidate(ports.engine, contract.id)
    return Basis(landing, offsets, before, {table: at for table, at in heads.items() if at is not None}, key_epoch)


def _write(contract: Contract, ports: Ports, basis: Basis, branch: str, whole: bool) -> int:
    """Write both tables' branches; returns the number of keys that were recomputed."""
    events = accepted_events(contract, at(ports.spark, landing_table(contract), basis.landing_snapshot))
    if whole:
        return write_states(contract, ports, branch, events, None)
    touched = _touched(contract, events, basis)
    try:
        return write_states(contract, ports, branch, events, touched)
    finally:
        touched.let_go()


def write_states(contract: Contract, ports: Ports, branch: str, events: "DataFrame", touched: Touched | None) -> int:
    """Recompute keys from all their events, and put them into both tables' branches in the place of what stood there.

    Args:
        contract: A source's contract.
        ports: The world.
        branch: The attempt's branch in both tables.
        events: All accepted events, see ``folding.accepted_events``.
        touched: The keys, closed, with theirs of these events; None for all.

    Returns:
        How many keys have a row now.
    """
    chosen = touched.events if touched else with_digests(contract, events)
    known = links(chosen)
    with planned_for(ports.spark, known.events):
        rows = settled(contract, chosen, events, known)
        return _write_settled(contract, ports, branch, rows, touched.keys if touched else None)


def _write_settled(contract: Contract, ports: Ports, branch: str, rows: "DataFrame", touched: "DataFrame | None") -> int:
    rows.persist()
    try:
        tables = released_tables(contract)
        current = rows.where("_state is not null").select(*_current_columns(contract))
        history = rows.where("_valid_from is not null").select(*_history_columns(contract))
        replace_rows(ports.spark, tables["current"].branch(branch), current, touched)
        replace_rows(ports.spark, tables["history"].branch(branch), history, touched)
        return int(rows.where("_state is not null").count())
    finally:
        rows.unpersist()


def _touched(contract: Contract, events: "DataFrame", basis: Basis) -> Touched:
    """The keys that the events touch which the candidate doesn't hold yet, and all that hang together with them."""
    new = events.where(new_rows(basis.before.offsets if basis.before else {}, basis.offsets))
    return closed_keys(contract, events, new.select(*contract.key_columns).distinct())


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


def next_candidate(contract: Contract, ports: Ports, basis: Basis, branch: str, keys: int, *, carries: bool) -> Candidate:
    """The candidate that an attempt wrote on its branch; ``carries`` says that it shows what the one before it showed.

    Raises:
        ConflictError: The branch is gone.
    """
    snapshots = {}
    for name, table in released_tables(contract).items():
        written = head(ports.lake, table, branch)
        if written is None:
            raise ConflictError(f"{contract.id}: branch {branch} of {table.sql} is gone; nothing changed, run the step again")
        snapshots[name] = join_small_files(ports, table, branch, written)
    return Candidate(
        dataset=contract.id,
        number=basis.before.number + 1 if basis.before else 1,
        commit_id=branch,
        offsets=basis.offsets,
        landing_snapshot=basis.landing_snapshot,
        snapshots={str(name): snapshot for name, snapshot in snapshots.items()},
        rows={},
        counts={"keys": keys} | ({CARRIES: basis.before.content} if carries and basis.before else {}),
        inputs={},
        contract_digest=made_by(contract),
        code_version=ports.code_version,
        key_epoch=basis.key_epoch,
    )


def candidate_moves(contract: Contract, basis: Basis, candidate: Candidate) -> tuple[RefMove, ...]:
    """Move both candidate refs together, from where the basis found them, and remove the attempt's branches."""
    moves = []
    for name, table in released_tables(contract).items():
        snapshot = candidate.snapshots[name]
        moves.append(RefMove(table, CANDIDATE, basis.heads[table], snapshot))
        moves.append(RefMove(table, candidate.commit_id, snapshot, None))
    return tuple(moves)


def _change(contract: Contract, lease: Lease, basis: Basis, candidate: Candidate) -> Change:
    """The candidate, with up to which offsets it holds the landed events."""
    moves = candidate_moves(contract, basis, candidate)
    details = {
        "attempt": candidate.commit_id,
        "candidate": candidate.number,
        "landing_snapshot": basis.landing_snapshot,
        "offsets": basis.offsets,
        "snapshots": candidate.snapshots,
        "keys": candidate.counts["keys"],
    }
    entry = evidence.Entry("pipeline", "cleaned", contract.id, details)
    return Change(candidate.commit_id, "clean", lease, moves, partial(write_candidate, candidate=candidate), entry)
