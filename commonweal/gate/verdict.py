"""The verdict: whether a candidate may be released. It fails closed: whatever is not shown to be right refuses.

Great Expectations says success on no rows, on no rules, and for a rule that looked at nothing. So nothing here rests on that
word alone: what was planned, what ran, what it looked at and where every event went are counted and compared.
"""

from collections.abc import Sequence

from commonweal.contract.model import Contract
from commonweal.gate.flow_checks import accounting_checks, change_checks, coverage_checks
from commonweal.gate.model import Accounting, JoinCoverage, RuleResult, Since, Verdict
from commonweal.gate.result_checks import result_checks, rule_checks
from commonweal.render.suite import Suite


def verdict(
    contract: Contract,
    suite: Suite,
    results: Sequence[RuleResult],
    *,
    accounting: Accounting | None,
    coverage: Sequence[JoinCoverage],
    since: Since,
) -> Verdict:
    """Judge one candidate.

    Args:
        contract: The dataset.
        suite: The suite that was run.
        results: What the audit counted.
        accounting: Where every event went; a source without it is refused.
        coverage: One for each join that a product's contract declares; one missing refuses.
        since: What happened since the last release.
    """
    checks = (
        *result_checks(contract, suite, results, since),
        *change_checks(contract, since),
        *(accounting_checks(accounting, since) if contract.kind == "source" else coverage_checks(contract, coverage)),
        *rule_checks(results),
    )
    return Verdict(checks)
