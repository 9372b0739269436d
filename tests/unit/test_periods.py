"""When a declared period is closed, and the last day on which the calendar changed anything."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal.contract.model import Suppression
from commonweal.periods import closing_day, last_event

days = st.dates(min_value=date(2015, 1, 1), max_value=date(2035, 12, 31))
STARTS = {
    "month": [date(year, month, 1) for year in range(2000, 2037) for month in range(1, 13)],
    "quarter": [date(year, month, 1) for year in range(2000, 2037) for month in (1, 4, 7, 10)],
    "year": [date(year, 1, 1) for year in range(2000, 2037)],
}


def rules(unit: str = "month", settle_days: int = 31, revisions: tuple[date, ...] = ()) -> Suppression:
    return Suppression(dimensions=("d",), period="p", count="n", period_unit=unit, settle_days=settle_days, revisions=revisions)


@pytest.mark.parametrize(
    ("unit", "start", "closed"),
    [
        ("month", date(2024, 2, 1), date(2024, 3, 31)),
        ("month", date(2024, 12, 1), date(2025, 1, 31)),
        ("quarter", date(2024, 10, 1), date(2025, 1, 31)),
        ("year", date(2024, 1, 1), date(2025, 1, 31)),
    ],
)
def test_a_period_is_closed_so_many_days_after_its_last(unit, start, closed):
    assert closing_day(start, rules(unit)) == closed


@given(st.sampled_from(sorted(STARTS)), st.integers(0, 3650), days)
def test_the_last_event_is_the_newest_closing(unit, settle_days, today):
    suppression = rules(unit, settle_days)
    closed = [day for start in STARTS[unit] if (day := closing_day(start, suppression)) <= today]
    assert last_event(suppression, today) == max(closed)


@given(days, st.lists(days, max_size=4))
def test_an_announced_day_counts_once_it_has_come(today, announced):
    found = last_event(rules(revisions=tuple(announced)), today)
    assert found == max([last_event(rules(), today), *(day for day in announced if day <= today)])


@given(days, st.lists(days, max_size=4))
def test_nothing_happens_between_two_events(today, announced):
    suppression = rules(revisions=tuple(announced))
    before = last_event(suppression, today - timedelta(days=1))
    assert last_event(suppression, today) in (before, today)
