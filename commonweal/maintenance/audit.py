"""Full audit: every rule on every row of what people read now, with the gate's own audit, and the result in the evidence."""

from collections.abc import Iterable

from commonweal import evidence
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.errors import GateClosedError
from commonweal.gate.model import Report
from commonweal.lake.candidates import Candidate, read_candidate
from commonweal.lake.releases import Release, current_release
from commonweal.ports import PROGRAM, Ports
from commonweal.steps.gate import audited


def audit(ports: Ports, contracts: Iterable[Contract]) -> dict[str, int]:
    """Audit what people read of each dataset.

    Only a release that is still the candidate is audited: the accounting needs the landing rows that it was made from. One that
    newer events or another contract have overtaken waits for its next gate; it is counted as ``overtaken``.

    Raises:
        GateClosedError: What people read of some datasets does not hold; the message names them.
    """
    counts, failed = {"audited": 0, "overtaken": 0}, dict[str, list[str]]()
    for contract in contracts:
        released, candidate = current_release(ports.engine, contract.id), read_candidate(ports.engine, contract.id)
        if released is None or candidate is None:
            continue
        if not is_same(contract, released, candidate):
            counts["overtaken"] += 1
            continue
        report = audited(contract, ports, candidate, attempt=f"audit_{released.number}")
        _record(ports, contract, released, report)
        counts["audited"] += 1
        if not report.verdict.passed:
            failed[contract.id] = [check.id for check in report.verdict.refusals]
    if failed:
        named = "; ".join(f"{dataset}: {', '.join(checks)}" for dataset, checks in sorted(failed.items()))
        raise GateClosedError(
            f"what people read does not pass the full audit: {named}. Next: commonweal release rollback or hold"
        )
    return counts


def is_same(contract: Contract, released: Release, candidate: Candidate) -> bool:
    """Whether the candidate is what people read, made with today's contract."""
    is_released = released.snapshots == candidate.snapshots and released.offsets == candidate.offsets
    return is_released and candidate.contract_digest.split(":")[0] == contract.digest


def _record(ports: Ports, contract: Contract, released: Release, report: Report) -> None:
    details = {
        "release": released.number,
        "snapshots": {name: str(snapshot) for name, snapshot in released.snapshots.items()},
        "passed": report.verdict.passed,
        "checks": len(report.verdict.checks),
        "refused_by": [check.id for check in report.verdict.refusals],
        "suite_digest": report.suite_digest,
    }
    with database_errors(f"recording the audit of {contract.id}"), ports.engine.begin() as connection:
        evidence.append(connection, evidence.Entry(PROGRAM, "audited", contract.id, details))
