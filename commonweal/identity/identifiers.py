"""Resident ids (GB 11643-1999) and unified social credit codes (GB 32100-2015): normal form and checks.

>>> normalise("resident_id", " ９９０１０１１９９００３０７００２ｘ ")
'99010119900307002X'
>>> check("resident_id", "99010119900307002X")
'checksum'
>>> check("credit_code", "91110000600037341L") is None
True
"""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache

from stdnum.cn import ric, uscc

from commonweal.errors import ContractError

# Full-width forms and the two Roman tens that some systems write for the check character. Not NFKC: it would also read a
# circled or superscript digit as a digit, and an identifier that needs such reading is a mistake to be shown, not mended.
_ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x2169: ord("X"),
    0x2179: ord("X"),
    0x200B: None,
    0xFEFF: None,
}
_RESIDENT = re.compile(r"[0-9]{17}[0-9X]")
_CREDIT = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}")
_DIGIT = "0-9０-９"
_IN_TEXT = re.compile(rf"(?<![{_DIGIT}])[{_DIGIT}]{{17}}[{_DIGIT}XxＸｘⅩⅹ](?![{_DIGIT}])")
LENGTH = 18
BIRTH_YEARS = 1850, 2099
"""Of both kinds of identifiers the characters, and between which years people may be born."""


def normalise(kind: str, text: str) -> str:
    """The identifier as it is checked and pseudonymised: ASCII, without spaces, upper case.

    Raises:
        ContractError: No identifier of that kind is known.
    """
    _checker(kind)
    if text.isascii() and text.isalnum():
        return text.upper()
    return "".join(text.translate(_ASCII).split()).upper()


def check(kind: str, normalised: str, *, on: date | None = None) -> str | None:
    """The rule that the normalised identifier violates, or None.

    Region codes aren't checked: abolished and unassigned ones, and the permits of Hong Kong, Macao and Taiwan (81, 82, 83),
    are valid.

    Args:
        kind: ``resident_id`` or ``credit_code``.
        normalised: What ``normalise`` gave.
        on: The day on which the identifier was seen; nobody is born after it. By default the year 2099 bounds births.

    Returns:
        ``length``, ``characters``, ``birth_date``, ``checksum`` or None.

    Raises:
        ContractError: No identifier of that kind is known.
    """
    return _checker(kind)(normalised, on)


def holds_resident_id(text: str) -> bool:
    """Whether a valid resident id stands anywhere in the text, full-width forms included.

    Of numbers of 18 digits one in eleven looks like an id if it holds a day, one in 17,000 if it is random.
    """
    found = (normalise("resident_id", match.group()) for match in _IN_TEXT.finditer(text))
    return any(check("resident_id", candidate) is None for candidate in found)


def _check_resident_id(text: str, on: date | None) -> str | None:
    if len(text) != LENGTH:
        return "length"
    if not _RESIDENT.fullmatch(text):
        return "characters"
    born = _birth_date(text[6:14])
    if born is None or (on is not None and born > on):
        return "birth_date"
    return None if ric.calc_check_digit(text) == text[-1] else "checksum"


@lru_cache(maxsize=65_536)  # there are fewer days than people
def _birth_date(digits: str) -> date | None:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return born if BIRTH_YEARS[0] <= born.year <= BIRTH_YEARS[1] else None


def _check_credit_code(text: str, _on: date | None) -> str | None:
    # The first two characters may be letters (rural collectives, bodies of other authorities), which stdnum's own
    # ``validate`` refuses; its check digit is right.
    if len(text) != LENGTH:
        return "length"
    if not _CREDIT.fullmatch(text):
        return "characters"
    return None if uscc.calc_check_digit(text) == text[-1] else "checksum"


def _checker(kind: str) -> "Callable[[str, date | None], str | None]":
    try:
        return KINDS[kind]
    except KeyError:
        raise ContractError(f"no identifier of kind {kind!r} is known; use one of {', '.join(sorted(KINDS))}") from None


KINDS: dict[str, Callable[[str, date | None], str | None]] = {
    "credit_code": _check_credit_code,
    "resident_id": _check_resident_id,
}
