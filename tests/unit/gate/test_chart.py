"""The trend's picture: each run stands where its numbers are, on an axis of round numbers that holds them all."""

from datetime import UTC, datetime, timedelta

import pytest

from commonweal.gate.chart import ticks, trend
from commonweal.gate.model import PastRun

AT = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)


def runs(rows, rejected=0.0, aside=0.0):
    return [PastRun(AT + timedelta(days=day), day != 1, count, rejected, aside) for day, count in enumerate(rows)]


@pytest.mark.parametrize(
    ("highest", "count", "expected"),
    [
        (0, 4, [0]),
        (1, 4, [0, 0.5, 1]),
        (3, 3, [0, 1, 2, 3]),
        (1234, 4, [0, 500, 1000, 1500]),
        (0.3, 3, [0, 0.1, 0.2, 0.3]),
        (0.0007, 3, [0, 0.0005, 0.001]),
        (5_100_000, 4, [0, 2e6, 4e6, 6e6]),
    ],
)
def test_ticks_are_round_and_hold_the_highest(highest, count, expected):
    assert ticks(highest, count) == expected
    assert len(expected) <= count + 1


def test_runs_stand_in_their_order_and_at_their_height():
    chart = trend(runs([0, 50, 100]), width=800)
    marks = chart.panels[0].lines[0].marks
    assert [mark.x for mark in marks] == sorted(mark.x for mark in marks)
    low, high = chart.panels[0].ticks[0].at, chart.panels[0].ticks[-1].at
    assert [mark.y for mark in marks] == [low, (low + high) / 2, high]
    assert [mark.passed for mark in marks] == [True, False, True]
    assert chart.left < marks[0].x < marks[-1].x < chart.right < chart.width


def test_labels_are_short():
    labels = [[tick.label for tick in panel.ticks] for panel in trend(runs([1_500_000], 0.05, 0.001), width=800).panels]
    assert labels == [["0", "500k", "1M", "1.5M"], ["0%", "2%", "4%", "6%"]]


def test_nothing_to_show_lies_on_the_ground():
    chart = trend(runs([0, 0]), width=300)
    for panel in chart.panels:
        assert [tick.label.strip("%") for tick in panel.ticks] == ["0"]
        assert {mark.y for line in panel.lines for mark in line.marks} == {panel.ticks[0].at}


@pytest.mark.parametrize("width", [300, 800])
def test_dates_have_room_and_the_newest_has_its_own(width):
    chart = trend(runs(range(12)), width=width)
    places = [date.at for date in chart.dates]
    assert chart.dates[-1].label == f"{AT + timedelta(days=11):%m-%d %H:%M}"
    assert chart.dates[-1].at == chart.panels[0].lines[0].marks[-1].x
    assert all(right - left >= 60 for left, right in zip(places, places[1:], strict=False))
