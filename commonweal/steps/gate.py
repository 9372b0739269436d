"""The gate: audits the candidate's fixed snapshots and records the verdict. A refusal is final until something changes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection, text

from commonweal import evidence
from commonweal.contract.model import Contract, TableName
from commonweal.database import database_errors
from commonweal.errors import GateClosedError
from commonweal.gate.audit import Rows, audit
from commonweal.gate.measure import Counting, coverage
from commonweal.gate.model import Accounting, JoinCoverage, PastRun, Report, RuleResult, Since
from commonweal.gate.report import render_html, render_json
from commonweal.gate.verdict import verdict
from commonweal.lake.candidates import Candidate
from commonweal.lake.commit import Change, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import attempt_branch, released_tables
from commonweal.lake.releases import Release, current_release, numbered_release
from commonweal.lake.spark import at, planned_for
from commonweal.offsets import total
from commonweal.outbox import Announcement
from commonweal.ports import PROGRAM, Ports
from commonweal.render.suite import Suite, suite
from commonweal.steps.join import readable, released_input
from commonweal.store import client, put_object
from commonweal.work import is_gated, read_state

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = structlog.get_logger()

TREND_RUNS = 12
PAST = text("""
select made_at, passed, report from gate_result where dataset = :dataset order by made_at desc limit :most
""")
RECORD = text("""
insert into gate_result (id, dataset, candidate_number, passed, snapshots, suite_digest, contract_digest, code_version,
                         dismissals, report_key, report)
values (:id, :dataset, :number, :passed, cast(:snapshots as jsonb), :suite_digest, :contract_digest, :code_version,
        :dismissals, :report_key, cast(:report as jsonb))
""")


@dataclass(frozen=True)
class Measured:
    """All that was counted on one candidate."""

    results: tuple[RuleResult, ...]
    rows: dict[TableName, int]
    since: Since
    accounting: Accounting | None
    coverage: tuple[JoinCoverage, ...]


def gate(contract: Contract, ports: Ports, lease: Lease) -> dict[str, int]:
    """Audit the candidate, unless its verdict still holds, and record what was found.

    Returns:
        ``candidate``: the number of the candidate that passed; 0 when there was nothing to audit.

    Raises:
        GateClosedError: The candidate is refused; the message names the checks and the report.
        ConflictError, FencedError, TransientError: As the commit function.
    """
    state = read_state(ports.engine, contract)
    if state.candidate is None or is_gated(contract, state):
        return {"candidate": 0}
    audit_of = audited(contract, ports, state.candidate, attempt=attempt_branch(lease.epoch))
    verdict_row = _row(ports, audit_of, _store(ports, contract, audit_of), state.dismissals)
    commit(ports.engine, ports.lake, _change(contract, lease, audit_of, verdict_row))
    if not audit_of.verdict.passed:
        raise GateClosedError(_refusal(contract, audit_of, str(verdict_row["report_key"])))
    log.info("passed", dataset=contract.id, candidate=state.candidate.number, checks=len(audit_of.verdict.checks))
    return {"candidate": state.candidate.number, "checks": len(audit_of.verdict.checks)}


def audited(contract: Contract, ports: Ports, candidate: Candidate, *, attempt: str) -> Report:
    """Audit a candidate's snapshots and decide; writes nothing."""
    began, rules = datetime.now(UTC), suite(contract)
    measured = _measure(contract, ports, candidate, rules)
    decided = verdict(
        contract, rules, measured.results, accounting=measured.accounting, coverage=measured.coverage, since=measured.since
    )
    report = Report(
        dataset=contract.id,
        title=contract.title,
        run_id=attempt,
        attempt=candidate.number,
        verdict=decided,
        results=measured.results,
        snapshots={table: candidate.snapshots[table] for table in contract.tables},
        rows=measured.rows,
        contract_version=contract.version,
        contract_digest=contract.digest,
        suite_digest=rules.digest,
        code_commit=ports.code_version,
        started_at=began,
        finished_at=datetime.now(UTC),
        accounting=measured.accounting,
        coverage=measured.coverage,
        since=measured.since,
    )
    return replace(report, trend=(*_past_runs(contract, ports), _this_run(report)))


def _measure(contract: Contract, ports: Ports, candidate: Candidate, rules: Suite) -> Measured:
    before = current_release(ports.engine, contract.id)
    if contract.kind == "source":
        with planned_for(ports.spark, total(candidate.offsets)):
            results, rows = _audited(contract, ports, candidate, rules)
            counting = Counting(contract, candidate, before, ports.spark, ports.engine)
            return Measured(results, rows, counting.since(rows["current"]), counting.accounting(), ())
    results, rows = _audited(contract, ports, candidate, rules)
    changed = Since(rows_before=before.rows["current"] if before else None, rows_after=rows["current"])
    return Measured(results, rows, changed, None, coverage(contract, _inputs(contract, ports, candidate)))


def _audited(
    contract: Contract, ports: Ports, candidate: Candidate, rules: Suite
) -> tuple[tuple[RuleResult, ...], dict[TableName, int]]:
    """What the rules found, and how many rows each table has."""
    tables = {table: Rows(frame, frame.count()) for table, frame in _frames(contract, ports, candidate).items()}
    return audit(tables, rules), {table: rows.count for table, rows in tables.items()}


def _frames(contract: Contract, ports: Ports, candidate: Candidate) -> "dict[TableName, DataFrame]":
    """The rows that people would read, at the candidate's snapshots."""
    tables = released_tables(contract).items()
    frames = {name: at(ports.spark, table, candidate.snapshots[name]) for name, table in tables}
    if contract.kind == "source":
        frames["current"] = readable(frames["current"], "current")
    return frames


def _inputs(contract: Contract, ports: Ports, candidate: Candidate) -> "dict[str, DataFrame]":
    """The product's inputs as the join read them."""
    if not contract.coverage:
        return {}
    releases: Mapping[str, Release | None] = {
        item.dataset: numbered_release(ports.engine, item.dataset, candidate.inputs[item.dataset]) for item in contract.inputs
    }
    return {item.name: released_input(ports, item, made) for item in contract.inputs if (made := releases[item.dataset])}


def _past_runs(contract: Contract, ports: Ports) -> tuple[PastRun, ...]:
    """The runs before this one, oldest first."""
    with database_errors(f"reading the gate's results of {contract.id}"), ports.engine.begin() as connection:
        rows = connection.execute(PAST, {"dataset": contract.id, "most": TREND_RUNS - 1}).all()
    shares = [(row, row.report.get("trend", [{}])[-1]) for row in reversed(rows)]
    return tuple(
        PastRun(
            at=row.made_at,
            passed=row.passed,
            rows=int(last.get("rows", 0)),
            share_rejected=float(last.get("share_rejected", 0)),
            share_set_aside=float(last.get("share_set_aside", 0)),
        )
        for row, last in shares
    )


def _this_run(report: Report) -> PastRun:
    counts = report.since
    records = counts.accepted + counts.rejected_open if counts else 0
    return PastRun(
        at=report.finished_at,
        passed=report.verdict.passed,
        rows=report.rows.get("current", 0),
        share_rejected=counts.rejected_open / records if counts and records else 0.0,
        share_set_aside=counts.set_aside / counts.accepted if counts and counts.accepted else 0.0,
    )


def _store(ports: Ports, contract: Contract, report: Report) -> str:
    """Put the report where auditors read it; returns its key without the ending."""
    key = f"{contract.department}/{contract.name}/{report.started_at:%Y%m%dT%H%M%SZ}_{report.run_id}"
    store, bucket = client(ports.settings, PROGRAM), ports.settings.bucket_reports
    put_object(store, bucket, f"{key}.html", render_html(report).encode(), content_type="text/html; charset=utf-8")
    put_object(store, bucket, f"{key}.json", render_json(report).encode(), content_type="application/json")
    return key


def _row(ports: Ports, report: Report, key: str, decided: int) -> dict[str, Any]:
    """The verdict as it is stored."""
    return {
        "id": report.run_id,
        "dataset": report.dataset,
        "number": report.attempt,
        "passed": report.verdict.passed,
        "snapshots": json.dumps(report.snapshots),
        "suite_digest": report.suite_digest,
        "contract_digest": report.contract_digest,
        "code_version": ports.code_version,
        "dismissals": decided,
        "report_key": key,
        "report": render_json(report),
    }


def _change(contract: Contract, lease: Lease, report: Report, row: dict[str, Any]) -> Change:
    """No ref moves: the verdict, its evidence, and for a refusal what subscribers are told."""
    told = {
        "dataset": contract.id,
        "candidate": report.attempt,
        "snapshots": {name: str(snapshot) for name, snapshot in report.snapshots.items()},
        "report": f"{row['report_key']}.html",
        "checks": len(report.verdict.checks),
        "refused_by": [check.id for check in report.verdict.refusals],
    }
    action = "passed" if report.verdict.passed else "refused"
    details = {"attempt": report.run_id, **told, "suite_digest": report.suite_digest, "contract_digest": contract.digest}
    entry = evidence.Entry(PROGRAM, action, contract.id, details)
    refused = None if report.verdict.passed else Announcement("refused", told)
    return Change(report.run_id, "gate", lease, (), partial(_write, row), entry, refused)


def _write(row: dict[str, Any], connection: Connection) -> None:
    connection.execute(RECORD, row)


def _refusal(contract: Contract, report: Report, key: str) -> str:
    checks = ", ".join(check.id for check in report.verdict.refusals)
    return (
        f"{contract.id}: the gate refused candidate {report.attempt}: {checks}. People keep reading the release before. "
        f"Report: {key}.html in bucket reports. Next: commonweal report {contract.id}"
    )
