"""The event's JSON Schema: what it lets through and what it doesn't."""

from decimal import Decimal

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal.contract.loader import load_contract
from commonweal.render.event_schema import decimal_pattern, event_schema
from commonweal.settings import ROOT

CASE = {
    "case_no": "A-1", "resident_id": "99", "programme_code": "extreme_hardship", "status_code": "active",
    "opened_on": "2024-01-01", "changed_on": "2024-02-29", "monthly_amount_cny": "1234567890.12", "area_code": "990000",
}  # fmt: skip


@pytest.fixture(scope="module")
def validator():
    schema = event_schema(load_contract(ROOT / "schemas", "civil_affairs.assistance_case"))
    jsonschema_rs.meta.validate(schema)
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


@pytest.mark.parametrize("change", [{}, {"ended_on": None}, {"monthly_amount_cny": None}, {"monthly_amount_cny": "-0.5"}])
def test_good(validator, change):
    assert validator.is_valid(CASE | change)


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"case_no": None},
        {"case_no": ""},
        {"case_no": "a" * 31},
        {"case_no": 12},
        {"status_code": "在享"},
        {"opened_on": "2024-1-1"},
        {"opened_on": "2023-02-29"},
        {"opened_on": "2024-01-01T00:00:00Z"},
        {"ended_on": ""},
        {"monthly_amount_cny": 12.5},
        {"monthly_amount_cny": "12.345"},
        {"monthly_amount_cny": "12345678901"},
        {"monthly_amount_cny": "1e5"},
        {"monthly_amount_cny": "007"},
        {"monthly_amount_cny": "1.00\n"},
        {"monthly_amount_cny": "１２"},
        {"area_code": "99000"},
    ],
)
def test_bad(validator, change):
    assert not validator.is_valid(CASE | change)


@pytest.mark.parametrize("name", ["case_no", "resident_id", "opened_on", "changed_on", "programme_code"])
def test_required(validator, name):
    assert not validator.is_valid({key: value for key, value in CASE.items() if key != name})


@given(st.integers(1, 38).flatmap(lambda precision: st.tuples(st.just(precision), st.integers(0, precision))), st.data())
def test_every_decimal_of_that_size_and_no_larger_one(size, data):
    precision, scale = size
    whole = data.draw(st.integers(0, 10 ** (precision - scale) - 1))
    part = data.draw(st.integers(0, 10**scale - 1)) if scale else 0
    text = f"{whole}.{part:0{scale}d}" if scale else str(whole)
    schema = jsonschema_rs.validator_for({"type": "string", "pattern": decimal_pattern(precision, scale)})
    assert schema.is_valid(text)
    assert schema.is_valid(f"-{text}")
    assert Decimal(text) < 10 ** (precision - scale)
    assert not schema.is_valid(str(10 ** (precision - scale)))
    assert not schema.is_valid(f"0.{'0' * scale}1")


def test_integers_fit_the_lake():
    schema = event_schema(load_contract(ROOT / "schemas", "public_security.household_registration"))
    validator = jsonschema_rs.validator_for(schema["properties"]["change_sequence"])
    assert [validator.is_valid(value) for value in (0, 1_000_000, None, -1, 1_000_001, 1.5, "1", True)] == [True] * 3 + [
        False
    ] * 5
