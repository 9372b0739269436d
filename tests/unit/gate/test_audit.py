"""What leaves the audit: counts, whatever the engine found and logged. That a real engine is counted right, the stack shows."""

import logging

import pytest

from commonweal.contract.model import Rule, Text
from commonweal.gate.audit import _counted, _silence

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
