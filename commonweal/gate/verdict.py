"""The verdict: whether a candidate may be released. It fails closed: whatever is not shown to be right refuses.

Great Expectations says success on no rows, on no rules, and for a rule that looked at nothing. So nothing here rests on that
word alone: what was planned, what ran, what it looked at and where every event went are counted and compared.
"""

from collections.abc import Iterator, Sequence

from commonweal.contract.model import Contract
from commonweal.gate.flow_checks import accounting_checks, change_checks, coverage_checks
from commonweal.gate.model import Accounting, Check, JoinCoverage, RuleResult, Since, Verdict
from commonweal.gate.result_checks import result_checks, rule_checks
from commonweal.render.suite import Suite

Flow = Accounting | Sequence[JoinCoverage] | None


def verdict(contract: Contract, suite: Suite, results: Sequence[RuleResult], flow: Flow, since: Since) -> Verdict:
    """Judge one candidate.

    Args:
        contract: The dataset.
        suite: The suite that was run.
        results: What the audit counted.
        flow: For a source its accounting, for a product the coverage of its joins; the wrong kind, or none, refuses.
        since: What happened since the last release.
    """
    return Verdict(tuple(_checks(contract, suite, results, flow, since)))


def _checks(contract: Contract, suite: Suite, results: Sequence[RuleResult], flow: Flow, since: Since) -> Iterator[Check]:
    yield from result_checks(contract, suite, results, since)
    yield from change_checks(contract, since)
    if contract.kind == "source":
        yield from accounting_checks(flow if isinstance(flow, Accounting) else None, since)
    else:
        yield from coverage_checks(contract, None if flow is None or isinstance(flow, Accounting) else flow)
    yield from rule_checks(results)
