"""The oracle sees what it is there for, and a point of the code is reached when its events have happened in their order."""

import importlib
import inspect
from datetime import UTC, datetime
from functools import reduce

import pytest

from tests.faults import crash
from tests.faults.ledger import Current, Ledger, Period, case_of, compare
from tests.faults.points import IN_TRANSACTION, OUTSIDE, POINTS

UNTIL = datetime(2024, 1, 3, tzinfo=UTC)
CASE = case_of(0)


def tables() -> tuple[list[Current], list[Period]]:
    """Events 0 and 1, two states of one case, and event 3, the only one of another."""
    current = [Current(CASE, 1), Current(case_of(3), 3)]
    return current, [Period(CASE, 0, UNTIL), Period(CASE, 1, None), Period(case_of(3), 3, None)]


def test_exactly_what_was_acknowledged_is_right_and_what_is_unknown_may_be_there_or_not():
    assert not compare(*tables(), Ledger(acknowledged={0, 1, 3}))
    assert not compare(*tables(), Ledger(acknowledged={0, 1}, unknown={3, 4}))


def test_lost():
    assert compare(*tables(), Ledger(acknowledged={0, 1, 2, 3})).lost == {2}


def test_invented():
    assert compare(*tables(), Ledger(acknowledged={0, 1}, failed={3})).invented == {3}


def test_doubled_in_either_table():
    current, history = tables()
    assert compare(current, [*history, history[0]], Ledger({0, 1, 3})).doubled == {0}
    assert compare([*current, current[0]], history, Ledger({0, 1, 3})).doubled == {1}


@pytest.mark.parametrize(
    ("current", "history"),
    [
        ([Current(CASE, 0)], [Period(CASE, 0, UNTIL), Period(CASE, 1, None)]),
        ([Current(CASE, 1)], [Period(CASE, 0, None)]),
        ([], [Period(CASE, 0, None)]),
        ([Current(CASE, 0)], []),
        ([Current(CASE, 1)], [Period(CASE, 0, None), Period(CASE, 1, None)]),
    ],
)
def test_tables_of_two_releases_are_torn(current, history):
    assert compare(current, history, Ledger({0, 1})).torn == {CASE}


def test_an_acknowledgement_outweighs_whatever_came_before():
    ledger = Ledger()
    for outcome in ("failed", "unknown", "failed"):
        ledger.note(7, outcome)
    assert (ledger.unknown, ledger.failed) == ({7}, set())
    ledger.note(7, "acknowledged")
    ledger.note(7, "unknown")
    assert ledger == Ledger(acknowledged={7})


def test_a_chain_is_reached_once_and_only_in_its_order():
    reached = []
    events = crash.chain(f"{__name__}:second:return > {__name__}:first:call")
    crash.at(events, lambda: reached.append(True))
    first()
    second()
    assert not reached
    first()
    first()
    assert reached == [True]


@pytest.mark.parametrize("text", sorted({point.chain for point in POINTS} | {*OUTSIDE.values(), IN_TRANSACTION}))
def test_every_function_of_a_point_is_there(text):
    for event in crash.chain(text):
        found = reduce(getattr, event.function.split("."), importlib.import_module(event.module))
        code = inspect.unwrap(found).__code__
        assert (code.co_qualname, inspect.unwrap(found).__module__) == (event.function, event.module)


def first() -> None:
    pass


def second() -> None:
    pass
