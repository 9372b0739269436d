from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn.ric import calc_check_digit

from commonweal.errors import ContractError
from commonweal.identity import check, normalise

FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def resident_id(region: str = "990101", born: str = "19900307", serial: str = "002") -> str:
    body = f"{region}{born}{serial}"
    return body + calc_check_digit(f"{body}0")


@given(
    st.dates(date(1900, 1, 1), date(2025, 12, 31)), st.integers(0, 999), st.sampled_from(["990101", "810000", "820000", "830000"])
)
def test_a_right_number_passes_however_it_is_written(born: date, serial: int, region: str) -> None:
    number = resident_id(region, f"{born:%Y%m%d}", f"{serial:03d}")
    for written in (
        number,
        number.lower(),
        f" {number[:6]} {number[6:]} ",
        number.translate(FULL_WIDTH),
        f"{number[:3]}　{number[3:]}",
    ):
        assert normalise("resident_id", written) == number
    assert check("resident_id", number) is None


@given(st.integers(0, 17), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(place: int, shift: int) -> None:
    number = resident_id()
    digit = "0123456789"[(int(number[place]) + shift) % 10] if number[place].isdigit() else "5"
    assert check("resident_id", number[:place] + digit + number[place + 1 :]) is not None


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("", "length"),
        (resident_id()[:17], "length"),
        ("A" + resident_id()[1:], "characters"),
        (resident_id()[:16] + "X" + resident_id()[17], "characters"),
        (resident_id(born="20230230"), "birth_date"),
        (resident_id(born="29900101"), "birth_date"),
        (resident_id(born="17990101"), "birth_date"),
        (resident_id()[:17] + ("1" if resident_id()[17] != "1" else "2"), "checksum"),
    ],
)
def test_each_rule_has_its_name(number: str, rule: str) -> None:
    assert check("resident_id", number) == rule


def test_nobody_is_born_after_the_number_was_seen() -> None:
    number = resident_id(born="20260102")
    assert check("resident_id", number, on=date(2026, 1, 2)) is None
    assert check("resident_id", number, on=date(2026, 1, 1)) == "birth_date"


def test_a_circled_digit_is_no_digit() -> None:
    number = resident_id()
    assert check("resident_id", normalise("resident_id", "⑨" + number[1:])) == "characters"


@given(st.text())
def test_no_text_breaks_the_checks(text: str) -> None:
    for kind in ("resident_id", "credit_code"):
        check(kind, normalise(kind, text))


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("91110000600037341L", None),
        ("91110000600037341M", "checksum"),
        ("9111000060003734IL", "characters"),
        ("9111000060003734", "length"),
        ("N2110000600037341", "length"),
    ],
)
def test_credit_codes(code: str, rule: str | None) -> None:
    assert check("credit_code", code) == rule


def test_an_unknown_kind_is_a_contract_error() -> None:
    with pytest.raises(ContractError, match="passport"):
        check("passport", "x")
