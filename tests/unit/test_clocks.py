"""Which clocks are too far off, and who is told what."""

from datetime import UTC, datetime, timedelta

import pytest

from commonweal.lake.clocks import TOLERANCE, difference

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("shown", [NOON, NOON + 20 * SECOND, NOON + 40 * SECOND])
def test_what_was_read_between_two_looks_at_the_right_one_may_be_right(shown: datetime) -> None:
    assert difference(NOON, shown, NOON + 40 * SECOND) == timedelta(0)


@pytest.mark.parametrize("off", [TOLERANCE + SECOND, -TOLERANCE - SECOND, timedelta(days=400)])
def test_it_is_as_far_off_as_it_must_be_at_least(off: timedelta) -> None:
    looks = NOON, NOON + 2 * SECOND
    nearest = looks[1] if off > timedelta(0) else looks[0]
    assert difference(looks[0], nearest + off, looks[1]) == off
