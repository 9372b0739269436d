"""Resident ids where none belongs: in a free text, in a business number, in an event's id."""

from collections.abc import Iterable

from commonweal.contract.model import Contract
from commonweal.decoding.document import Document
from commonweal.identity import holds_resident_id, normalise

# Shorter than any identifier: a cell that holds only a few digits would be found in every event id.
_LEAST = 12


class Traces:
    """Finds resident ids outside the fields that are meant to hold one.

    A record's own identifiers are looked for in every text. Other resident ids only in free text (no codes, no pattern, no
    part of the key): many case numbers are a region, a day and a serial, and one in eleven of those looks like a valid id.
    """

    def __init__(self, contract: Contract) -> None:
        texts = [field for field in contract.fields if field.type == "string" and not field.codes and not field.identifier]
        self._own = tuple(field.name for field in contract.fields if field.is_pseudonymised)
        self._texts = tuple(field.name for field in texts)
        self._free = tuple(field.name for field in texts if not field.pattern and field.name not in contract.key)

    def reasons(self, document: Document) -> list[str]:
        """Reasons for the fields that hold a resident id and shouldn't; identifiers in the document are normalised."""
        own = self.own(document)
        found = self._strangers(document)
        if own and _holds("\n".join(_present(document, self._texts)), own):
            found += [name for name in self._texts if _holds(str(document.get(name)), own)]
        return [f"resident_id_in_text:{name}" for name in dict.fromkeys(found)]

    def own(self, document: Document) -> list[str]:
        """The record's own identifiers, right or wrong, as they stand in the document."""
        return [value for value in _present(document, self._own) if len(value) >= _LEAST]

    def _strangers(self, document: Document) -> list[str]:
        # One search over all texts settles nearly every record; the line feed keeps digits of two fields apart.
        if not holds_resident_id("\n".join(_present(document, self._free))):
            return []
        return [name for name in self._free if holds_resident_id(str(document.get(name)))]


def is_traceable(header: str, own: Iterable[str] = ()) -> bool:
    """Whether an event's id is or holds a resident id: the record's own, or any.

    Ids of letters and hexadecimal digits pass. Of ids that are 18 decimal digits one in 17,000 is refused by chance: better
    than a row whose id is somebody's number.
    """
    return len(header) >= _LEAST and (_holds(header, own) or holds_resident_id(header))


def _present(document: Document, names: tuple[str, ...]) -> list[str]:
    return [text for name in names if type(text := document.get(name)) is str]


def _holds(text: str, identifiers: Iterable[str]) -> bool:
    plain = text.upper().replace(" ", "") if text.isascii() else normalise("resident_id", text)
    return any(identifier in plain for identifier in identifiers)
