"""The short way of a row and the long one give the same event, and what is wrong only ever goes the long way."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal.contract.loader import load_contracts
from commonweal.contract.model import Contract, Field
from commonweal.settings import ROOT
from streams.publishing.checking import Checker
from streams.publishing.event import Origin
from streams.publishing.exports import SourceRow, look, rows

CONTRACTS = {name: item for name, item in load_contracts(ROOT / "schemas").items() if item.kind == "source"}
HOTLINE = CONTRACTS["hotline.service_request"]
OPTIONAL = tuple(field.model_copy(update={"required": False}) for field in HOTLINE.fields)
CONTRACTS["nothing is required"] = HOTLINE.model_copy(update={"fields": OPTIONAL})
SEEN_AT = datetime(2026, 11, 26, tzinfo=UTC)
PERSON, OTHER = "990101199003070023", "99010119850101001X"
EXPORT = ROOT / "infra" / "demo" / "data" / "constituent_services.csv.gz"
ODD = (
    "",
    " ",
    "\u3000",
    "x",
    "0",
    "-1",
    "１２",
    "2024/1/5",
    "2024-02-30",
    "2999-01-01",
    "1e3",
    "a\0b",
    "是",
    "true",
    "1.005",
)
ODD += (
    PERSON,
    f"of {PERSON}.",
    f"{PERSON[:6]} {PERSON[6:]}",
    f"1{PERSON}",
    f"{PERSON[:-1]}Ｘ",
    OTHER,
    "2024-01-05T00:00:00+08:00",
    "x" * 5_000,
    '"quoted"',
    "NYCC00000001",
)


def origin(contract: Contract, **changes: object) -> Origin:
    return Origin(**{**{"source": f"/{contract.department}", "event_type": "recorded", "exported_at": "2026-01-01T00:00:00Z",
                        "id_column": None, "secret": b"s" * 32}, **changes})  # fmt: skip


def likely(field: Field) -> st.SearchStrategy[str]:
    """Mostly what the field should hold."""
    if field.codes:
        return st.sampled_from([text for code in field.codes for text in (code.physical or (code.value,))])
    if field.identifier:
        return st.sampled_from([PERSON, f" {PERSON}", "99010119900307002３"])
    kinds = {
        "integer": st.integers(0, 99).map(str),
        "decimal": st.sampled_from(["1", "800.50", "１２.5", "12.345"]),
        "boolean": st.sampled_from(["是", "否", "true", "0"]),
        "date": st.sampled_from(["2024-01-05", "2024/1/5", "20240105", "2024-12-31"]),
        "timestamp": st.sampled_from(["2024-01-05T00:00:00Z", "2024-01-05 08:00:00+08:00"]),
        "string": st.sampled_from(["NYCC00000001", "NYCC01", "110101", "Water", "供水"]),
    }
    return kinds[field.type]


def cells(contract: Contract) -> st.SearchStrategy[dict[str, str | None]]:
    each = {
        field.physical_name: st.one_of(likely(field), likely(field), likely(field), st.sampled_from(ODD), st.none())
        for field in contract.fields
    }
    return st.fixed_dictionaries(
        each, optional={"ce_id": st.just("own-1"), "ce_type": st.just("withdrawn"), "extra": st.just("")}
    )


@pytest.mark.parametrize("name", CONTRACTS)
@given(data=st.data())
def test_both_ways_agree(name, data):
    contract = CONTRACTS[name]
    checker = Checker(contract, origin(contract), SEEN_AT)
    for number in range(3):
        row = SourceRow(number, data.draw(cells(contract)))
        assert checker.check(row) == checker.judge(row)


@pytest.mark.parametrize("changes", [{"event_type": "corrected"}, {"id_column": "unique_key"}])
def test_what_is_no_plain_record_goes_the_long_way(changes):
    contract = HOTLINE
    checker = Checker(contract, origin(contract, **changes), SEEN_AT)
    row = next(rows(look(EXPORT)))
    assert checker._shortcut.event(row.cells) is None
    assert checker.check(row) == checker.judge(row)


def test_a_real_export_goes_the_short_way_and_loses_nothing_by_it():
    contract = HOTLINE
    checker = Checker(contract, origin(contract), SEEN_AT)
    short = 0
    for row, _ in zip(rows(look(EXPORT)), range(3_000), strict=False):
        event = checker._shortcut.event(row.cells)
        assert event is None or (event, ()) == checker.judge(row)
        short += event is not None
    assert short > 2_900


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("streams.publishing.shortcut.MOST", 10)
    contract = HOTLINE
    checker = Checker(contract, origin(contract), SEEN_AT)
    for row, _ in zip(rows(look(EXPORT)), range(200), strict=False):
        assert checker.check(row) == checker.judge(row)
    assert max(map(len, checker._shortcut._known)) <= 10


def test_a_row_that_gives_its_own_person_away_goes_the_long_way():
    contract = CONTRACTS["civil_affairs.assistance_case"]
    checker = Checker(contract, origin(contract), SEEN_AT)
    names = {field.name: field.physical_name for field in contract.fields}
    good = dict.fromkeys(names.values()) | {
        names["case_no"]: "C-1",
        names["resident_id"]: PERSON,
        names["area_code"]: "110101",
        **{names[name]: "2024-01-05" for name in ("opened_on", "changed_on")},
        **{
            names[field.name]: (field.codes[0].physical or (field.codes[0].value,))[0] for field in contract.fields if field.codes
        },
        **{names[field.name]: "1" for field in contract.fields if field.type in ("integer", "decimal")},
    }
    assert checker._shortcut.event(good) is not None
    betrayed = good | {names["case_no"]: f"1{PERSON}"}
    assert checker._shortcut.event(betrayed) is None
    assert checker.check(SourceRow(1, betrayed))[1] == ("resident_id_in_text:case_no",)
