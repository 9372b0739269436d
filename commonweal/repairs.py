"""What is sent in the place of a rejected record, and the check that landing will not reject it again.

The whole record is judged as it would stand in the repair topic, by the validator of landing: envelope, document, and both
together. A department may mend a header where the envelope was at fault; a header that was valid stays as it was written.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from commonweal.contract.model import Contract
from commonweal.decoding import Judge, Judged, Record
from commonweal.decoding.envelope import HEADERS
from commonweal.errors import ContractError
from commonweal.identity import Place

OURS = ("ce_repairer", "ce_reason")
"""Headers that say who sends a record again, and why: the platform's own, never taken from a file or from the original."""
MENDABLE = tuple(name for name in HEADERS if name not in OURS)


@dataclass(frozen=True)
class Repair:
    """What is to stand in the place of a rejected record.

    Attributes:
        place: Where the rejected record stands.
        document: The document as it should have been.
        headers: By header (``ce_source``, …) its right value, None to leave it out; only where landing found fault with it.
    """

    place: Place
    document: Mapping[str, Any]
    headers: Mapping[str, str | None] = field(default_factory=dict)


class Rejected(NamedTuple):
    """A rejected record, unsealed, with what landing could read of it.

    Attributes:
        record: As it stood in Kafka.
        source: CloudEvents source, None when it couldn't be read.
        event_id: CloudEvents id, None when it couldn't be read.
        reasons: ``rule:field``, all that landing found broken.
    """

    record: Record
    source: str | None
    event_id: str | None
    reasons: tuple[str, ...]


class Resent(NamedTuple):
    """A record to send in the place of a rejected one.

    Attributes:
        place: Where the rejected record stands.
        record: What is sent.
        name: Its (source, id) where landing couldn't read them of the rejected record, so that the answer is known; else None.
    """

    place: Place
    record: Record
    name: tuple[str | None, str | None] | None


class Signature(NamedTuple):
    """Who sends records again, and why; it goes into their headers."""

    person: str
    reason: str

    def on(self, record: Record) -> Record:
        """The record with its own headers and these two."""
        kept = tuple(header for header in record.headers if header[0] not in OURS)
        return record._replace(headers=(*kept, *zip(OURS, (self.person.encode(), self.reason.encode()), strict=True)))


def repaired(contract: Contract, rejected: Mapping[Place, Rejected], repairs: Sequence[Repair], by: Signature) -> list[Resent]:
    """The repairs as records, in their order; all of them are good.

    Raises:
        ContractError: Some would be rejected again, or mend a header that was valid; all reasons with their counts.
    """
    unmended = [by.on(_with_document(contract, rejected[item.place].record, item.document)) for item in repairs]
    # What is wrong with an original header may show only beside the right document, as an id that holds a resident number.
    seen = _judged(contract, unmended)
    faulty = [_fields((*rejected[item.place].reasons, *found.reasons)) for item, found in zip(repairs, seen, strict=True)]
    more = [_untouchable(item.headers, fields) for item, fields in zip(repairs, faulty, strict=True)]
    mended = [_with_headers(record, item.headers) for record, item in zip(unmended, repairs, strict=True)]
    judged = _accepted(contract, mended, more)
    return [_resent(item.place, rejected, record, found) for item, record, found in zip(repairs, mended, judged, strict=True)]


def replayed(contract: Contract, rejected: Mapping[Place, Rejected], by: Signature) -> list[Resent]:
    """The records as they were, in their order; all of them are good by now.

    Raises:
        ContractError: Some would be rejected again; all reasons with their counts.
    """
    records = [by.on(item.record) for item in rejected.values()]
    judged = _accepted(contract, records, [()] * len(records))
    return [_resent(place, rejected, record, found) for place, record, found in zip(rejected, records, judged, strict=True)]


def _resent(place: Place, rejected: Mapping[Place, Rejected], record: Record, found: Judged) -> Resent:
    name, was = (found.envelope.source, found.envelope.event_id), rejected[place]
    return Resent(place, record, None if name == (was.source, was.event_id) else name)


def _accepted(contract: Contract, records: list[Record], more: Sequence[tuple[str, ...]]) -> list[Judged]:
    judged = _judged(contract, records)
    broken = [dict.fromkeys((*others, *found.reasons)) for others, found in zip(more, judged, strict=True)]
    counts = Counter(reason for reasons in broken for reason in reasons)
    if counts:
        named = ", ".join(f"{reason} ({count})" for reason, count in sorted(counts.items()))
        raise ContractError(
            f"{contract.id}: {sum(map(bool, broken))} of {len(records)} records can't be sent: {named}; nothing was sent. "
            f"Correct the documents, and headers where landing found fault with them (a valid one stays); see: rejected list"
        )
    return judged


def _judged(contract: Contract, records: list[Record]) -> list[Judged]:
    return Judge(contract).read_all(records, topic=contract.repair_topic, seen_at=datetime.now(UTC))


def _fields(reasons: Sequence[str]) -> set[str]:
    return {reason.partition(":")[2] for reason in reasons}


def _untouchable(headers: Mapping[str, str | None], faulty: set[str]) -> tuple[str, ...]:
    """Reasons against headers of a repair; the name of one that isn't an attribute was typed, and is not repeated."""
    return tuple(
        f"stays:{name}" if name in MENDABLE else "unknown:_header"
        for name in headers
        if name not in MENDABLE or name not in faulty
    )


def _with_document(contract: Contract, record: Record, document: Mapping[str, Any]) -> Record:
    key = "|".join(str(document.get(name)) for name in contract.key).encode()
    return record._replace(key=key, value=orjson.dumps(dict(document)))


def _with_headers(record: Record, headers: Mapping[str, str | None]) -> Record:
    kept = tuple(header for header in record.headers if header[0] not in headers)
    return record._replace(headers=(*kept, *((name, text.encode()) for name, text in headers.items() if text is not None)))
