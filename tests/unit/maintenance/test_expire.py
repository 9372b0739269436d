"""Which releases a contract keeps: all for a while, then the last of each day, then of each month, and what those came from."""

from datetime import UTC, datetime, timedelta

import pytest

from commonweal.contract.model import Retention
from commonweal.lake.releases import Release
from commonweal.maintenance.expire import kept_numbers, with_inputs
from commonweal.maintenance.janitor import is_lost

NOW = datetime(2026, 6, 30, 4, tzinfo=UTC)  # noon in China
RETENTION = Retention(releases_days=7, daily_days=30, monthly_days=365)


def release(number, days=0.0, inputs=None):
    texts = dict.fromkeys(("contract_version", "contract_digest", "suite_digest", "code_version", "quality_digest"), "")
    made_at = NOW - timedelta(days=days)
    return Release("a.b", number, "c", "g", {}, {}, {}, {}, inputs or {}, **texts, made_at=made_at)


def kept(*ages, retention=RETENTION):
    """Numbers of the kept ones; releases are given oldest first by their age in days."""
    made = [release(number, age) for number, age in enumerate(ages, start=1)]
    return kept_numbers(made[::-1], retention, now=NOW)


def test_every_release_of_the_first_days():
    assert kept(6.9, 6.8, 6.7, 0.1, 0.0) == {1, 2, 3, 4, 5}


def test_then_the_last_of_each_day():
    assert kept(10.2, 10.1, 9.2, 9.1, 0) == {2, 4, 5}


def test_then_the_last_of_each_month():
    assert kept(100, 99, 98, 60, 59, 0) == {3, 5, 6}


def test_day_is_chinas():
    # 15:30 and 16:30 UTC are 23:30 and 00:30 of the next day in China.
    assert kept(10 - 11.5 / 24, 10 - 12.5 / 24, 0) == {1, 2, 3}


def test_what_was_rolled_back_is_no_last_of_its_day_or_month():
    made = [release(number, age) for number, age in enumerate((40.2, 40.1, 10.2, 10.1, 0), start=1)][::-1]
    assert kept_numbers(made, RETENTION, now=NOW, rolled_back={2, 4}) == {1, 3, 5}
    assert kept_numbers(made[2:], Retention(releases_days=20), now=NOW, rolled_back={3}) == {3, 2}


def test_newest_stays_however_old():
    assert kept(5000, 4000) == {2}


def test_nothing_is_kept_of_nothing():
    assert kept() == set()


def test_kept_release_keeps_what_it_was_made_from():
    releases = {
        "p.p": [release(2, inputs={"a.b": 7}), release(1, inputs={"a.b": 3})],
        "a.b": [release(9), release(7), release(3)],
    }
    assert with_inputs({"p.p": {2}, "a.b": {9}}, releases) == {"p.p": {2}, "a.b": {7, 9}}


@pytest.mark.parametrize(
    ("ref", "lost"),
    [
        ("a_3_0123456789ab", True),
        ("a_4_0123456789ab", False),
        ("a_5_0123456789ab", False),
        ("rel_3", False),
        ("main", False),
        ("candidate", False),
        ("a_3_x", False),
    ],
)
def test_only_branches_of_earlier_epochs_are_lost(ref, lost):
    assert is_lost(ref, 4) is lost
