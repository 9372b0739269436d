"""Checks on what the audit counted: everything planned ran once, looked at rows, and its counts agree with each other."""

from collections import Counter
from collections.abc import Iterator, Sequence

from commonweal.contract.model import Contract, Text
from commonweal.gate.check import NOTHING, check, is_count, none_of
from commonweal.gate.model import Check, RuleResult, Since
from commonweal.gate.wording import worded
from commonweal.render.suite import Suite
from commonweal.render.suite import suite as suite_of


def result_checks(contract: Contract, suite: Suite, results: Sequence[RuleResult], since: Since) -> Iterator[Check]:
    """Checks on suite and results as a whole."""
    planned = {rule.id: rule for rule in suite.rules}
    got = {result.rule.id for result in results}
    yield check("suite_planned", len(suite.rules) > 0, len(suite.rules))
    is_current = suite.dataset == contract.id and suite == suite_of(contract)
    yield check("suite_current", is_current, 0, version=contract.version)
    yield none_of("results_missing", len(set(planned) - got))
    yield none_of("results_extra", sum(planned.get(result.rule.id) != result.rule for result in results))
    yield none_of("results_repeated", _repeated(rule.id for rule in suite.rules) + _repeated(r.rule.id for r in results))
    yield none_of("results_raised", sum(result.raised is not False for result in results))
    yield none_of("results_plausible", sum(not _is_plausible(result) for result in results))
    yield none_of("results_empty", sum(_looked_at_nothing(result) for result in results))
    yield none_of("results_whole", sum(_missed_rows(result, since) for result in results))


def rule_checks(results: Sequence[RuleResult]) -> Iterator[Check]:
    """One check per rule of the suite."""
    for result in results:
        values: dict[str, Text | int] = {"count": result.unexpected, "text": result.rule.sentence}
        success = result.success is True and result.raised is False
        cure = NOTHING if success else worded("results_raised" if result.raised else "rule", "cure", **values)
        name, sentence = f"rule:{result.rule.id}", worded("rule", "sentence", **values)
        yield Check(name, result.rule.severity, success, result.unexpected, result.share_failed, sentence, cure)


def _repeated(ids: Iterator[str]) -> int:
    return sum(count > 1 for count in Counter(ids).values())


def _is_plausible(result: RuleResult) -> bool:
    """A rule that holds for all rows breaks for none; no more rows are missing or wrong than were looked at."""
    counts = result.evaluated, result.missing, result.unexpected
    if not all(map(is_count, counts)) or type(result.success) is not bool:
        return False
    if result.unexpected > result.judged:
        return False
    # Only an explicit tolerance makes a success with broken rows possible.
    return not (result.success and result.unexpected) or "mostly" in result.rule.kwargs


def _looked_at_nothing(result: RuleResult) -> bool:
    return not result.raised and not result.rule.may_be_empty and not result.judged > 0


def _missed_rows(result: RuleResult, since: Since) -> bool:
    """A rule on a set of rows proves nothing about rows that it did not see."""
    is_whole = result.evaluated == since.rows_after
    return result.rule.table == "current" and not result.rule.per_row and not result.raised and not is_whole
