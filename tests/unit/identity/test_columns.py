"""What is found right for a whole column at once is what each text is found to be on its own."""

from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal.identity import check
from commonweal.identity.columns import are_resident_ids
from tests.unit.identity.test_identifiers import resident_id

SEEN = date(2026, 1, 5)
DAYS = st.dates(date(1849, 12, 30), date(2100, 1, 2)) | st.dates(SEEN - timedelta(days=2), SEEN + timedelta(days=2))
RIGHT = st.builds(lambda born, serial: resident_id(born=f"{born:%Y%m%d}", serial=f"{serial:03d}"), DAYS, st.integers(0, 999))
NO_DAYS = st.sampled_from(["20230230", "20230229", "19000229", "20000229", "20241301", "20240001", "20240100", "00000101"])
CHARACTERS = st.sampled_from("0123456789Xx９:/ \0é")


@st.composite
def texts(draw: st.DrawFn) -> str | None:
    """Ids, ids of days that aren't any, ids with one character that may be wrong, and anything."""
    text = draw(RIGHT | st.builds(lambda born: resident_id(born=born), NO_DAYS))
    place = draw(st.integers(0, len(text)))
    changed = text[:place] + draw(CHARACTERS) + text[place + draw(st.integers(0, 2)) :]
    return draw(st.sampled_from([text, text, changed, None, text.lower()]) | st.text(max_size=20))


@given(st.lists(texts(), max_size=20), st.sampled_from([SEEN, SEEN + timedelta(days=40_000)]))
def test_a_column_is_found_right_where_each_text_is(column: list[str | None], seen: date) -> None:
    found = are_resident_ids(pa.array(column, pa.string()), pa.array([seen] * len(column), pa.date32()))
    assert found.tolist() == [text is not None and check("resident_id", text, on=seen) is None for text in column]


def forged(body: str) -> str:
    """A body of whatever characters, with the check character that the weights would give it."""
    total = sum((ord(character) - ord("0")) * 2 ** (17 - place) for place, character in enumerate(body))
    return body + "10X98765432"[total % 11]


@pytest.mark.parametrize(
    "text",
    [
        forged("9901011990:307002"),
        forged("99010119900307/02"),
        resident_id()[:-1] + "0123456789X"["0123456789X".index(resident_id()[-1]) - 1],
        resident_id(born="18491231"),
        resident_id(born="21000101"),
        resident_id(born="20240100"),
        resident_id(born="20240132"),
        resident_id(born="20241201")[:17] + "x",
    ],
)
def test_one_thing_wrong_is_found(text: str) -> None:
    late = date(2120, 1, 1)
    assert check("resident_id", text, on=late) is not None
    column = pa.array([resident_id(), text], pa.string())
    assert are_resident_ids(column, pa.array([late, late], pa.date32())).tolist() == [True, False]


def test_each_row_is_judged_by_its_own_day() -> None:
    column = pa.array(["", resident_id(born="20260102"), resident_id(born="20260102"), None], pa.string())
    days = pa.array([SEEN, date(2026, 1, 1), date(2026, 1, 2), SEEN], pa.date32())
    assert are_resident_ids(column, days).tolist() == [False, False, True, False]
    assert are_resident_ids(column.slice(2), days.slice(2)).tolist() == [True, False]
