"""The whole of one record judged at once: its headers, its envelope and its document; landing and repairs ask the same."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa

from commonweal.contract.model import Contract
from commonweal.decoding.decoder import Decoder, Reading
from commonweal.decoding.document import parse
from commonweal.decoding.envelope import Envelope, Envelopes, Headers
from commonweal.decoding.headers import split_headers
from commonweal.decoding.record import Record

HEADERS_TYPE = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
_UNREAD = Reading({}, (), None, ())


class Judged(NamedTuple):
    """What was read of one record; a record without reasons is accepted."""

    envelope: Envelope
    reading: Reading
    reasons: tuple[str, ...]


class Judge:
    """Judges the records of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._decoder = Decoder(contract)
        self.envelopes = Envelopes(contract)

    def read(
        self, headers: Headers, value: bytes | None, *, topic: str, seen_at: datetime, repeated: tuple[str, ...] = ()
    ) -> Judged:
        """One record.

        Args:
            headers: The values of ``envelope.HEADERS``, in that order; None for one that isn't there.
            value: The document's bytes.
            topic: The topic in which the record stands.
            seen_at: When the broker appended it, or now for one that isn't sent yet.
            repeated: Reasons for headers that stand more than once.
        """
        document, unreadable = parse(value)
        reading = _UNREAD if document is None else self._decoder.read(document, seen_at=seen_at)
        envelope = self.envelopes.read(headers, topic=topic, seen_at=seen_at, own=reading.own)
        reasons = repeated + envelope.reasons + reading.reasons
        return Judged(envelope, reading, (*reasons, unreadable) if unreadable else reasons)

    def read_all(self, records: Sequence[Record], *, topic: str, seen_at: datetime) -> list[Judged]:
        """Records as they would be sent to a topic, each judged as landing will."""
        column = pa.array([[{"key": key, "value": raw} for key, raw in record.headers] for record in records], HEADERS_TYPE)
        split = split_headers(column)
        return [
            self.read(headers, record.value, topic=topic, seen_at=seen_at, repeated=split.repeated.get(number, ()))
            for number, (headers, record) in enumerate(zip(split.rows(), records, strict=True))
        ]
