"""A record as it stood in Kafka, packed to be sealed and unpacked to be repaired."""

from base64 import b64decode, b64encode
from typing import NamedTuple

import orjson


class Record(NamedTuple):
    """Key, value and headers, byte by byte, in their order."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


def pack(record: Record) -> bytes:
    """The record as JSON with base64, since its bytes may be no text at all."""
    headers = [[name, _encode(value)] for name, value in record.headers]
    return orjson.dumps({"key": _encode(record.key), "value": _encode(record.value), "headers": headers})


def unpack(packed: bytes) -> Record:
    """The record that was packed."""
    found = orjson.loads(packed)
    headers = tuple((name, _decode(value)) for name, value in found["headers"])
    return Record(key=_decode(found["key"]), value=_decode(found["value"]), headers=headers)


def _encode(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()


def _decode(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
