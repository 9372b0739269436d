"""From a JSON value to the value of a column: one reader per logical type, each refusing with the name of its rule."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

from commonweal.contract.model import Field

Read = Callable[[Any], Any]

_DECIMAL = re.compile(r"-?[0-9]{1,38}(?:\.[0-9]{1,38})?")
_DATE_SHAPE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT_SHAPE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_WIDE = Context(prec=80)
_INT64 = 2**63
_EXACT_IN_DOUBLE = 2**53


class Refused(Exception):  # noqa: N818 - a verdict about one value, caught in this package, never an error of the platform
    """A value breaks the rule named by ``rule``."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def reader(field: Field) -> Read:
    """The function that reads a value of the field, and raises ``Refused``."""
    if field.type == "decimal":
        return _decimal_reader(field.precision or 38, field.scale or 0)
    return _READERS[field.type]


def read_text(value: object) -> str:
    """A text without NUL, which no database keeps."""
    if type(value) is not str:
        raise Refused("type")
    if "\0" in value:
        raise Refused("characters")
    return value


def read_integer(value: object) -> int:
    """A 64-bit integer; ``3.0`` is one as in JSON Schema, as long as a double holds it exactly."""
    if type(value) is float and value.is_integer() and abs(value) <= _EXACT_IN_DOUBLE:
        return int(value)
    if type(value) is not int:
        raise Refused("type")
    if not -_INT64 <= value < _INT64:
        raise Refused("range")
    return value


def read_boolean(value: object) -> bool:
    """``true`` or ``false``, not 0 and 1."""
    if type(value) is not bool:
        raise Refused("type")
    return value


def read_date(value: object) -> date:
    """A day of the calendar, ``YYYY-MM-DD``."""
    if type(value) is not str:
        raise Refused("type")
    return _date(value)


@lru_cache(maxsize=65_536)
def _date(value: str) -> date:
    if not _DATE_SHAPE.fullmatch(value):
        raise Refused("date")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Refused("date") from None


def read_instant(value: object) -> datetime:
    """An instant of RFC 3339, in UTC; digits beyond microseconds are cut."""
    if type(value) is not str:
        raise Refused("type")
    return _instant(value)


@lru_cache(maxsize=65_536)
def _instant(value: str) -> datetime:
    if not _INSTANT_SHAPE.fullmatch(value):
        raise Refused("timestamp")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("timestamp") from None


@lru_cache(maxsize=65_536)
def midnight(day: date) -> datetime:
    """The instant at which a day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _decimal_reader(precision: int, scale: int) -> Read:
    whole, unit = precision - scale, Decimal(1).scaleb(-scale)

    def read(value: object) -> Decimal:
        if type(value) is not str:
            raise Refused("type")
        if not _DECIMAL.fullmatch(value):
            raise Refused("decimal")
        digits, _, fraction = value.lstrip("-").partition(".")
        if len(fraction.rstrip("0")) > scale:
            raise Refused("scale")
        if len(digits.lstrip("0")) > whole:
            raise Refused("precision")
        number = Decimal(value).quantize(unit, context=_WIDE)
        return number or abs(number)  # one zero, not two

    return read


_READERS: dict[str, Read] = {
    "string": read_text,
    "integer": read_integer,
    "boolean": read_boolean,
    "date": read_date,
    "timestamp": read_instant,
}
