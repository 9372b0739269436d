"""Release: what passed the gate becomes what people read, in one commit over all tables of the dataset."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, TextClause, text

from commonweal import evidence
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.errors import ConfigError, ConflictError
from commonweal.lake.candidates import Candidate, read_candidate
from commonweal.lake.catalog import head, load
from commonweal.lake.commit import Change, RefMove, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import CANDIDATE, MAIN, attempt_branch, release_tag, released_tables
from commonweal.lake.releases import (
    Release,
    current_release,
    hold_of,
    is_rolled_back,
    next_number,
    numbered_release,
    point_to,
    write_release,
)
from commonweal.outbox import Announcement
from commonweal.people import Person, may_decide
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
WENT_BACK = text("""
insert into rolled_back (dataset, number, person, reason)
select dataset, number, :person, :reason from release where dataset = :dataset and number > :to and number <= :from
on conflict (dataset, number) do nothing
""")
RETURNED = text("delete from rolled_back where dataset = :dataset and number = :to")


def release(contract: Contract, ports: Ports, lease: Lease) -> dict[str, int]:
    """Release the candidate if it passed the gate, is not released yet, was not rolled back, and nobody holds it back.

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
    if is_rolled_back(ports.engine, contract.id):
        log.info("not_released", dataset=contract.id, why="rolled back, and nothing newer has passed the gate")
        return {"release": 0, "held": 0}
    made = _release(contract, ports, lease, candidate)
    if made is None:
        return {"release": 0, "held": 0}
    commit(ports.engine, ports.lake, _change(contract, ports, lease, made, before))
    log.info("released", dataset=contract.id, release=made.number, rows=made.rows)
    return {"release": made.number, "held": 0}


def roll_back(contract: Contract, ports: Ports, lease: Lease, *, number: int, person: Person, reason: str) -> None:
    """Make another release what people read, and hold further releases until a person lifts the hold.

    All newer releases, up to the current one, are rolled back: never released again as they were, never an input.
    A newer one may be named too: that is the return to a release that was rolled back.

    Raises:
        AccessDeniedError: The person may not decide about the dataset; that is in the evidence.
        ConfigError: There is no such release, it is no longer kept, or it is the current one.
        ConflictError, FencedError, TransientError: As the commit function.
    """
    may_decide(contract, ports, person, "rollback")
    target, now = _target(contract, ports, number)
    attempt = attempt_branch(lease.epoch)
    moves = tuple(
        RefMove(table, MAIN, now.snapshots[name], target.snapshots[name]) for name, table in released_tables(contract).items()
    )
    details = {"attempt": attempt, "from": now.number, "to": number, "person": person.role, "reason": reason}
    change = Change(
        attempt,
        "rollback",
        lease,
        moves,
        partial(_point_and_hold, contract.id, details),
        evidence.Entry(person.role, "rolled_back", contract.id, details),
        Announcement(
            "rolled_back",
            {"dataset": contract.id, "from": now.number, "release": number, "snapshots": _as_text(target.snapshots)},
        ),
    )
    commit(ports.engine, ports.lake, change)


def hold(contract: Contract, ports: Ports, lease: Lease, *, person: Person, reason: str) -> None:
    """Hold the dataset's releases back until the hold is lifted.

    Raises:
        AccessDeniedError: The person may not decide about the dataset; that is in the evidence.
    """
    may_decide(contract, ports, person, "hold")
    values = {"dataset": contract.id, "person": person.role, "reason": reason}
    commit(ports.engine, ports.lake, _decision(lease, "held", values, SET_HOLD))


def lift(contract: Contract, ports: Ports, lease: Lease, *, person: Person, reason: str) -> bool:
    """Lift the hold.

    Returns:
        Whether releases wait for a newer candidate, since this one is what was rolled back.

    Raises:
        AccessDeniedError: The person may not decide about the dataset; that is in the evidence.
        ConfigError: Nobody holds the dataset.
    """
    may_decide(contract, ports, person, "lift")
    if hold_of(ports.engine, contract.id) is None:
        raise ConfigError(f"{contract.id}: nobody holds its releases back")
    values = {"dataset": contract.id, "person": person.role, "reason": reason}
    commit(ports.engine, ports.lake, _decision(lease, "hold_lifted", values, LIFT_HOLD))
    return is_rolled_back(ports.engine, contract.id)


def _target(contract: Contract, ports: Ports, number: int) -> tuple[Release, Release]:
    """The release to read from now on, and the current one."""
    target, now = numbered_release(ports.engine, contract.id, number), current_release(ports.engine, contract.id)
    if target is None or now is None:
        why = "there is no such release"
    elif target.number == now.number:
        why = "it is the current one"
    elif not _is_kept(contract, ports, target):
        why = "it is no longer kept"
    elif target.key_epoch != now.key_epoch:
        why = f"its pseudonyms are of key epoch {target.key_epoch}, people read those of {now.key_epoch}"
    else:
        return target, now
    raise ConfigError(f"{contract.id}: can't roll back to release {number}: {why}; see: commonweal releases {contract.id}")


def _is_kept(contract: Contract, ports: Ports, made: Release) -> bool:
    return all(release_tag(made.number) in load(ports.lake, table).metadata.refs for table in released_tables(contract).values())


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
        content=candidate.content,
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
    """Store the manifest; a hold that came meanwhile wins."""
    if connection.execute(text("select 1 from hold where dataset = :dataset"), {"dataset": made.dataset}).first():
        raise ConflictError(f"{made.dataset}: a person holds its releases back; nothing was released")
    write_release(connection, made)


def _point_and_hold(dataset: str, details: Mapping[str, Any], connection: Connection) -> None:
    values = {"dataset": dataset, **details}
    point_to(connection, dataset, details["to"])
    connection.execute(WENT_BACK, values)
    connection.execute(RETURNED, values)
    connection.execute(SET_HOLD, values)


def _decision(lease: Lease, action: str, values: dict[str, str], statement: TextClause) -> Change:
    """A person's decision: one statement and its evidence, no ref moved."""
    attempt = attempt_branch(lease.epoch)
    entry = evidence.Entry(values["person"], action, values["dataset"], {"attempt": attempt, "reason": values["reason"]})
    return Change(attempt, action, lease, (), partial(_execute, statement, values), entry)


def _execute(statement: TextClause, values: dict[str, str], connection: Connection) -> None:
    connection.execute(statement, values)
