"""Release: what passed the gate becomes what people read, in one commit over all tables of the dataset."""

from functools import partial

import structlog
from sqlalchemy import Connection, TextClause, text

from commonweal import evidence
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.errors import ConfigError, ConflictError
from commonweal.lake.candidates import Candidate, read_candidate
from commonweal.lake.catalog import head
from commonweal.lake.commit import Change, RefMove, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import CANDIDATE, MAIN, attempt_branch, release_tag, released_tables
from commonweal.lake.releases import (
    Release,
    current_release,
    hold_of,
    next_number,
    numbered_release,
    point_to,
    write_release,
)
from commonweal.outbox import Announcement
from commonweal.ports import Ports
from commonweal.steps.join import made_by
from commonweal.work import is_gated, read_state

log = structlog.get_logger()

PASSED = text("""
select id, suite_digest, report, passed from gate_result
where dataset = :dataset and candidate_number = :number order by made_at desc limit 1
""")
SET_HOLD = text("""
insert into hold (dataset, person, reason) values (:dataset, :person, :reason)
on conflict (dataset) do update set person = excluded.person, reason = excluded.reason, made_at = clock_timestamp()
""")
LIFT_HOLD = text("delete from hold where dataset = :dataset")


def release(contract: Contract, ports: Ports, lease: Lease) -> dict[str, int]:
    """Release the candidate if it passed the gate, is not released yet, and nobody holds it back.

    Returns:
        ``release``: the number of the release, 0 when there was nothing to release; ``held`` 1 when a person holds it back.

    Raises:
        ConflictError, FencedError, TransientError: As the commit function.
    """
    candidate = read_candidate(ports.engine, contract.id)
    before = current_release(ports.engine, contract.id)
    if candidate is None or (before and before.snapshots == candidate.snapshots and before.offsets == candidate.offsets):
        return {"release": 0, "held": 0}
    if hold_of(ports.engine, contract.id):
        return {"release": 0, "held": 1}
    made = _release(contract, ports, lease, candidate)
    if made is None:
        return {"release": 0, "held": 0}
    commit(ports.engine, ports.lake, _change(contract, ports, lease, made, before))
    log.info("released", dataset=contract.id, release=made.number, rows=made.rows)
    return {"release": made.number, "held": 0}


def roll_back(contract: Contract, ports: Ports, lease: Lease, *, number: int, person: str, reason: str) -> None:
    """Make an older release what people read, and hold further releases until a person lifts the hold.

    Raises:
        ConfigError: There is no such release, or it is the current one.
        ConflictError, FencedError, TransientError: As the commit function.
    """
    target, now = numbered_release(ports.engine, contract.id, number), current_release(ports.engine, contract.id)
    if target is None or now is None or target.number == now.number:
        known = "it is the current one" if now and now.number == number else "there is no such release"
        raise ConfigError(f"{contract.id}: can't roll back to release {number}: {known}; see: commonweal releases {contract.id}")
    attempt = attempt_branch(lease.epoch)
    moves = tuple(
        RefMove(table, MAIN, now.snapshots[name], target.snapshots[name]) for name, table in released_tables(contract).items()
    )
    details = {"attempt": attempt, "from": now.number, "to": number, "person": person, "reason": reason}
    change = Change(
        attempt,
        "rollback",
        lease,
        moves,
        partial(_point_and_hold, contract.id, number, person, reason),
        evidence.Entry(person, "rolled_back", contract.id, details),
        Announcement(
            "rolled_back",
            {"dataset": contract.id, "from": now.number, "release": number, "snapshots": _as_text(target.snapshots)},
        ),
    )
    commit(ports.engine, ports.lake, change)


def hold(contract: Contract, ports: Ports, lease: Lease, *, person: str, reason: str) -> None:
    """Hold the dataset's releases back until the hold is lifted."""
    values = {"dataset": contract.id, "person": person, "reason": reason}
    commit(ports.engine, ports.lake, _decision(lease, "held", values, SET_HOLD))


def lift(contract: Contract, ports: Ports, lease: Lease, *, person: str, reason: str) -> None:
    """Lift the hold.

    Raises:
        ConfigError: Nobody holds the dataset.
    """
    if hold_of(ports.engine, contract.id) is None:
        raise ConfigError(f"{contract.id}: nobody holds its releases back")
    values = {"dataset": contract.id, "person": person, "reason": reason}
    commit(ports.engine, ports.lake, _decision(lease, "hold_lifted", values, LIFT_HOLD))


def _release(contract: Contract, ports: Ports, lease: Lease, candidate: Candidate) -> Release | None:
    """The manifest of the candidate, or None when its last audit did not pass."""
    with database_errors(f"reading the gate's result of {contract.id}"), ports.engine.begin() as connection:
        result = connection.execute(PASSED, {"dataset": contract.id, "number": candidate.number}).first()
        number = next_number(connection, contract.id)
    state = read_state(ports.engine, contract)
    is_today = candidate.contract_digest == made_by(contract) and state.has_todays_keys(contract)
    if result is None or not result.passed or not is_gated(contract, state) or not is_today:
        return None
    return Release(
        dataset=contract.id,
        number=number,
        commit_id=attempt_branch(lease.epoch),
        gate_id=result.id,
        snapshots=candidate.snapshots,
        rows=result.report["rows"],
        counts=result.report.get("accounting") or {},
        offsets=candidate.offsets,
        inputs=candidate.inputs,
        contract_version=contract.version,
        contract_digest=contract.digest,
        suite_digest=result.suite_digest,
        code_version=ports.code_version,
        quality_digest=evidence.digest(result.report),
        key_epoch=candidate.key_epoch,
    )


def _change(contract: Contract, ports: Ports, lease: Lease, made: Release, before: Release | None) -> Change:
    """Move ``main`` from the release before to the audited snapshots, and no other, and tag them."""
    moves = []
    for name, table in released_tables(contract).items():
        audited = made.snapshots[name]
        moves.append(RefMove(table, CANDIDATE, audited, audited))
        moves.append(RefMove(table, MAIN, before.snapshots[name] if before else head(ports.lake, table, MAIN), audited))
        moves.append(RefMove(table, release_tag(made.number), None, audited, tag=True))
    told = {
        "dataset": made.dataset,
        "release": made.number,
        "snapshots": _as_text(made.snapshots),
        "rows": made.rows,
        "inputs": made.inputs,
        "contract_version": made.contract_version,
        "quality_digest": made.quality_digest,
        "key_epoch": made.key_epoch,
    }
    details = {**told, "attempt": made.commit_id, "gate": made.gate_id, "contract_digest": made.contract_digest}
    entry = evidence.Entry("pipeline", "released", made.dataset, details)
    rows = partial(_write, made)
    return Change(made.commit_id, "release", lease, tuple(moves), rows, entry, Announcement("released", told))


def _as_text(snapshots: dict[str, int]) -> dict[str, str]:
    """Snapshot ids as text: beyond 2**53, which a JSON reader may not hold."""
    return {table: str(snapshot) for table, snapshot in snapshots.items()}


def _write(made: Release, connection: Connection) -> None:
    """Store the manifest; a hold or another candidate that came meanwhile wins."""
    if connection.execute(text("select 1 from hold where dataset = :dataset"), {"dataset": made.dataset}).first():
        raise ConflictError(f"{made.dataset}: a person holds its releases back; nothing was released")
    write_release(connection, made)


def _point_and_hold(dataset: str, number: int, person: str, reason: str, connection: Connection) -> None:
    point_to(connection, dataset, number)
    connection.execute(SET_HOLD, {"dataset": dataset, "person": person, "reason": reason})


def _decision(lease: Lease, action: str, values: dict[str, str], statement: TextClause) -> Change:
    """A person's decision: one statement and its evidence, no ref moved."""
    attempt = attempt_branch(lease.epoch)
    entry = evidence.Entry(values["person"], action, values["dataset"], {"attempt": attempt, "reason": values["reason"]})
    return Change(attempt, action, lease, (), partial(_execute, statement, values), entry)


def _execute(statement: TextClause, values: dict[str, str], connection: Connection) -> None:
    connection.execute(statement, values)
