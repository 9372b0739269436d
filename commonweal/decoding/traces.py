"""Resident ids where none belongs: in a free text, in a business number, in an event's id."""

import re
from collections.abc import Iterable

from commonweal.contract.model import Contract, Field
from commonweal.decoding.document import Document
from commonweal.identity import check, normalise

_LENGTH = 18
_DIGIT = "0-9０-９"
_IN_TEXT = re.compile(rf"(?<![{_DIGIT}])[{_DIGIT}]{{17}}[{_DIGIT}XxＸｘⅩⅹ](?![{_DIGIT}])")
_ALONE = re.compile(r"(?<![0-9A-Za-z])[0-9]{17}[0-9Xx](?![0-9A-Za-z])")


class Traces:
    """Finds resident ids outside the fields that are meant to hold one.

    A record's own identifiers are looked for in every text. Other resident ids only in free text (no codes, no pattern, no
    part of the key): many case numbers are a region, a day and a serial, and one in eleven of those looks like a valid id.
    """

    def __init__(self, contract: Contract) -> None:
        texts = [field for field in contract.fields if field.type == "string" and not field.codes and not field.identifier]
        self._own = tuple(field.name for field in contract.fields if field.is_pseudonymised)
        self._structured = tuple(field.name for field in texts if not _is_free(field, contract))
        self._free = tuple(field.name for field in texts if _is_free(field, contract))

    def reasons(self, document: Document) -> list[str]:
        """Reasons for the fields that hold a resident id and shouldn't; identifiers in the document are normalised."""
        own = [value for name in self._own if isinstance(value := document.get(name), str) and len(value) >= _LENGTH]
        found = [name for name in self._free if _is_long(text := document.get(name)) and (_holds_id(text) or _holds(text, own))]
        if own:
            found += [name for name in self._structured if _is_long(text := document.get(name)) and _holds(text, own)]
        return [f"resident_id_in_text:{name}" for name in found]

    def own(self, document: Document) -> list[str]:
        """The record's own identifiers, as they stand in the document."""
        return [value for name in self._own if isinstance(value := document.get(name), str)]


def is_traceable(header: str, own: Iterable[str] = ()) -> bool:
    """Whether an event's id is or holds a resident id: the record's own, or any that stands alone in it."""
    if len(header) < _LENGTH:
        return False
    return _holds(header, own) or any(check("resident_id", found.group().upper()) is None for found in _ALONE.finditer(header))


def _is_free(field: Field, contract: Contract) -> bool:
    return not field.pattern and field.name not in contract.key


def _is_long(value: object) -> bool:
    return type(value) is str and len(value) >= _LENGTH


def _holds(text: str, identifiers: Iterable[str]) -> bool:
    plain = normalise("resident_id", text)
    return any(identifier in plain for identifier in identifiers)


def _holds_id(text: str) -> bool:
    found = (normalise("resident_id", match.group()) for match in _IN_TEXT.finditer(text))
    return any(check("resident_id", candidate) is None for candidate in found)
