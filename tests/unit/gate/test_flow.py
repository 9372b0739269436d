"""The picture of the accounting: every line as long as the others, and a missing event in it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal.gate.flow import WIDTH, rows, zoom
from commonweal.gate.model import Accounting

counts = st.integers(min_value=0, max_value=10**6)


@given(st.builds(Accounting, *[counts] * 14))
def test_every_line_fills_the_width_and_hides_no_count(accounting):
    for row in rows(accounting):
        if row.segments:
            assert sum(segment.width for segment in row.segments) == pytest.approx(WIDTH, abs=0.2)
        assert all(segment.count > 0 and segment.width > 0 for segment in row.segments)


def test_books_in_order_show_nothing_unaccounted(good):
    assert "unaccounted" not in {segment.name for row in rows(good.accounting) for segment in row.segments}


@pytest.mark.parametrize("name", ["landed", "accepted", "duplicate", "repaired"])
def test_a_difference_is_in_the_picture(good, name):
    off = replace(good.accounting, **{name: getattr(good.accounting, name) + 3})
    assert "unaccounted" in {segment.name for row in rows(off) for segment in row.segments}


def test_lens_shows_all_that_is_not_live(good):
    lens = zoom(good.accounting)
    assert lens is not None
    assert sum(segment.count for segment in lens.segments) == good.accounting.offsets - good.accounting.live


def test_no_lens_where_everything_is_live(good):
    nothing = dict.fromkeys(("gaps", "rejected", "superseded", "duplicate", "conflict", "pending", "withdrawn"), 0)
    more = {"open": 0, "repaired": 0, "dismissed": 0, "offsets": 1000, "landed": 1000, "accepted": 1000}
    assert zoom(replace(good.accounting, **nothing, **more)) is None
