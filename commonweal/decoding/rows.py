"""From a row of a department's own export to an event's document: its column names, its codes, its ways to write a value.

What can't be read is left as it stands, so that the validator names it; nothing is guessed and nothing is mended but form:
full-width digits, empty cells, a day written ``2026/1/5`` or ``20260105``, ``是`` and ``否``.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache

from commonweal.contract.model import Contract, Field
from commonweal.decoding.document import Document
from commonweal.errors import ContractError
from commonweal.identity import normalise

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: " "}
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+")
_DAY = re.compile(r"([0-9]{4})(?:[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?|([0-9]{2})([0-9]{2}))(?:[ T]00:00(?::00)?)?")
_INSTANT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ Tt]([0-9:.]+)([Zz]|[+-][0-9]{2}:[0-9]{2})")
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "y", "1", "是", "有"), True),
    **dict.fromkeys(("false", "no", "n", "0", "否", "无"), False),
}


def to_document(row: Mapping[str, str | None], contract: Contract) -> tuple[Document, tuple[str, ...]]:
    """The event's document of one row of the export.

    Args:
        row: Text by the export's column name; a missing or empty cell is null.
        contract: The contract; ``physical_name`` and ``Code.physical`` say how the department writes.

    Returns:
        The document without nulls, and what could not be read, as ``rule:field``; the validator has the last word on the rest.
    """
    document: Document = {}
    problems = []
    for field in contract.fields:
        text = row.get(field.physical_name)
        if text is None or not text.strip():
            continue
        value = _read(field, text)
        if value is None:
            problems.append(f"{'type' if field.type in ('integer', 'boolean') else field.type}:{field.name}")
        document[field.name] = text if value is None else value
    return document, tuple(problems)


def check_columns(columns: "list[str]", contract: Contract, *, extra: tuple[str, ...] = ()) -> None:
    """Refuse an export whose columns aren't the contract's.

    Raises:
        ContractError: Columns are unknown, stand twice, or a required one is missing; the message names them.
    """
    known = {field.physical_name for field in contract.fields}
    required = {field.physical_name for field in contract.fields if field.required}
    faults = {
        "unknown": sorted(set(columns) - known - set(extra)),
        "missing": sorted(required - set(columns)),
        "repeated": sorted({name for name in columns if columns.count(name) > 1}),
    }
    found = "; ".join(f"{fault}: {', '.join(names)}" for fault, names in faults.items() if names)
    if found:
        raise ContractError(
            f"{contract.id}: the export's columns aren't the contract's ({found}); mend the header or the contract"
        )


def _read(field: Field, text: str) -> str | int | bool | None:
    if field.codes:
        return _code(field, text.strip())
    if field.identifier:
        return normalise(field.identifier, text)
    return _READERS[field.type](text)


def _code(field: Field, text: str) -> str:
    found = (code.value for code in field.codes if text in (code.physical or (code.value,)))
    # A department may write the lake's own code as well; any other text is left for the validator to refuse.
    return next(found, text)


def _plain(text: str) -> str:
    return text.translate(_WIDE).strip()


def _integer(text: str) -> int | None:
    plain = _plain(text)
    return int(plain) if _WHOLE.fullmatch(plain) else None


def _decimal(text: str) -> str | None:
    plain = _plain(text)
    return f"{Decimal(plain):f}" if len(plain) <= 40 and _NUMBER.fullmatch(plain) else None


def _boolean(text: str) -> bool | None:
    return _BOOLEANS.get(_plain(text).lower())


@lru_cache(maxsize=65_536)  # an export has far fewer days than rows
def _date(text: str) -> str | None:
    match = _DAY.fullmatch(_plain(text))
    if not match:
        return None
    year, *rest = match.groups()
    month, day = rest[:2] if rest[0] else rest[2:]
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _instant(text: str) -> str | None:
    # Without an offset the instant isn't known: the department must say which clock it means.
    match = _INSTANT.fullmatch(_plain(text))
    if not match:
        return None
    day, time, zone = match.groups()
    try:
        found = datetime.fromisoformat(f"{day}T{time}{zone.upper()}")
        return _utc(found)
    except (ValueError, OverflowError):
        return None


def _utc(found: datetime) -> str:
    return found.astimezone(UTC).isoformat().replace("+00:00", "Z")


_READERS: dict[str, Callable[[str], str | int | bool | None]] = {
    "string": str,
    "integer": _integer,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _instant,
}
