"""What leaves the audit: counts, whatever the engine found and logged. That a real engine is counted right, the stack shows."""

import logging

import pytest
from pyspark.errors import PySparkException

from commonweal.contract.model import Rule, Text
from commonweal.errors import TransientError
from commonweal.gate import audit
from commonweal.gate.audit import _counted, _silence
from commonweal.gate.model import RuleResult

SECRET = "q7-never-shown"
QUIET = {"exception_traceback": None, "exception_message": None, "raised_exception": False}
FOUND = {
    "observed_value": SECRET,
    "element_count": 3,
    "missing_count": 1,
    "unexpected_count": 1,
    "partial_unexpected_list": [SECRET],
    "details": {"mismatched": [SECRET]},
}


def rule(expectation: str) -> Rule:
    return Rule(id="r", expectation=expectation, kwargs={"column": "k"}, sentence=Text(en="Words", zh="文字"))


@pytest.mark.parametrize("expectation", ["expect_column_values_to_be_between", "expect_table_row_count_to_be_between"])
@pytest.mark.parametrize("exception", [QUIET, QUIET | {"raised_exception": True, "exception_message": SECRET}])
def test_only_counts_are_taken_from_what_the_engine_found(expectation, exception):
    result = _counted(rule(expectation), False, exception, FOUND, 3)
    assert SECRET not in repr(result)
    assert result.raised == exception["raised_exception"]


def test_what_the_engine_logs_goes_nowhere(caplog, capfd):
    with caplog.at_level(logging.DEBUG, logger="great_expectations"), _silence():
        logging.getLogger("great_expectations.metrics").error("failed on %s", SECRET)
    said = capfd.readouterr()
    assert (caplog.records, SECRET in said.out + said.err) == ([], False)


class Frame:
    """Stands for rows that can be read, or can't any more after so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def persist(self) -> "Frame":
        return self

    unpersist = persist

    def limit(self, _: int) -> "Frame":
        return self

    def count(self) -> int:
        self.looks -= 1
        if self.looks < 0:
            raise PySparkException("it is away")
        return 1


def asked(monkeypatch, *answers: bool) -> list[int]:
    """Have the engine answer, or not, time after time; returns how many rules it was asked each time."""
    times, left = [], list(answers)

    def ask(_, rules):
        times.append(len(rules))
        raised = not left.pop(0)
        return {"r": RuleResult(rule("e"), success=not raised, raised=raised), "kept": RuleResult(rule("e"), success=True)}

    monkeypatch.setattr(audit, "_ask", ask)
    return times


RULES = [rule("e"), rule("e").model_copy(update={"id": "kept"})]


@pytest.mark.parametrize(("answers", "times"), [((True,), [2]), ((False, True), [2, 1]), ((False, False, True), [2, 1, 1])])
def test_a_rule_that_could_not_be_run_for_a_moment_is_asked_again(monkeypatch, answers, times):
    seen = asked(monkeypatch, *answers)
    assert not audit._run(audit.Rows(Frame(looks=9), 1), RULES)["r"].raised
    assert seen == times


def test_a_rule_that_can_never_be_run_refuses(monkeypatch):
    seen = asked(monkeypatch, False, False, False)
    assert audit._run(audit.Rows(Frame(looks=9), 1), RULES)["r"].raised
    assert seen == [2, 1, 1]


@pytest.mark.parametrize("looks", range(3))
def test_rows_that_can_not_be_read_are_no_reason_to_refuse(monkeypatch, looks):
    asked(monkeypatch, False, False, False)
    with pytest.raises(TransientError, match="could not be read during the audit.*stack status"):
        audit._run(audit.Rows(Frame(looks), 1), RULES)
