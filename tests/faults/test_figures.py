"""The page says what the run found, and nothing that was wrong passes for right."""

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest

from tests.faults.__main__ import is_wrong
from tests.faults.chaos import Fault, Inflicted
from tests.faults.figures import Machine, page
from tests.faults.ledger import Differences
from tests.faults.random_run import Outcome
from tests.faults.reader import Seen

NOTHING = Differences(frozenset(), frozenset(), frozenset(), frozenset())
FAULTS = (
    Inflicted(Fault(1, "kafka", "killed", 0), 4.0),
    Inflicted(Fault(1, "kafka", "stopped", 3), 8.0),
    Inflicted(Fault(1, "step", "killed", 0), None),
)
GOOD = Outcome(7, 90, 1000, 2, FAULTS, NOTHING, Seen(5, [1, 2]), Counter({("land", 0): 3, ("land", 20): 1}), (), None)


def shown(outcome: Outcome) -> str:
    return page(outcome, 12, Machine(date(2026, 11, 26), "abc", 2))


def test_figures_are_those_of_the_run():
    text = shown(GOOD)
    for line in (
        "| length | 1.5 minutes |",
        "| events acknowledged | 1,000 |",
        "| faults | 3 of 12 planned |",
        "| kafka | 1 | 1 | 6.0 | 8.0 |",
        "| step | 1 | 0 |  |  |",
        "| all | 2 | 1 | 6.0 | 8.0 |",
        "| land | exit code 20, see [errors](errors.md) | 1 |",
        "| evidence | unbroken |",
    ):
        assert line in text
    assert not is_wrong(GOOD)


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (replace(GOOD, differences=replace(NOTHING, lost=frozenset({5}))), "| lost: acknowledged, and not released | 1 |"),
        (replace(GOOD, differences=replace(NOTHING, doubled=frozenset({5}))), "| doubled: released more than once | 1 |"),
        (replace(GOOD, differences=replace(NOTHING, invented=frozenset({5}))), "| invented: released, and never sent | 1 |"),
        (replace(GOOD, seen=Seen(5, [1], ungated=[1])), "| ungated: read, and no gate had passed it | 1 |"),
        (replace(GOOD, seen=Seen(5, [1], torn=[1])), "| torn: tables of two releases read as one | 1 |"),
        (replace(GOOD, seen=Seen(5, [1], shrunk=[1])), "| shrunk: a release without what an earlier one held | 1 |"),
        (replace(GOOD, wrong=("land: exit 10",)), "| steps that named a wrong cause, or hung | 1 |"),
        (replace(GOOD, evidence_break=3), "| evidence | broken at entry 3 |"),
    ],
)
def test_what_was_wrong_is_said_and_ends_the_run_with_an_error(outcome, line):
    assert line in shown(outcome)
    assert is_wrong(outcome)
