"""The one validator: what publishing checks before it sends is what landing checks after it reads.

A reason is ``rule:field``, both words of the contract or of this package, never a value of a record.
"""

from commonweal.decoding.batch import BatchDecoder
from commonweal.decoding.decoder import Decoder, Reading
from commonweal.decoding.envelope import Envelope, Envelopes
from commonweal.decoding.record import Record, pack, unpack
from commonweal.decoding.rows import to_document
from commonweal.decoding.whole import Judge, Judged

__all__ = [
    "BatchDecoder",
    "Decoder",
    "Envelope",
    "Envelopes",
    "Judge",
    "Judged",
    "Reading",
    "Record",
    "pack",
    "to_document",
    "unpack",
]
