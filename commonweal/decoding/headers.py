"""Kafka headers out of Arrow: one mapping per record, found by whole columns rather than record by record."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from commonweal.decoding.envelope import HEADERS

Pairs = tuple[tuple[str, bytes | None], ...]


class RowHeaders(NamedTuple):
    """The headers of one record.

    Attributes:
        found: Value of each header that the envelope needs.
        reasons: The needed headers that stand more than once.
        all: Gives every header in order, for a record that is to be sealed.
    """

    found: dict[str, bytes | None]
    reasons: tuple[str, ...]
    all: Callable[[], Pairs]


def split_headers(column: pa.ListArray) -> list[RowHeaders]:
    """The headers of each record of a column ``list<struct<key: string, value: binary>>``."""
    count = len(column)
    pairs, parents = column.flatten(), np.asarray(pc.list_parent_indices(column), dtype=np.int64)
    values, repeated = [], {}
    for name in HEADERS:
        places = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(pairs.field("key"), name), False), dtype=bool))
        values.append(_first_values(pairs.field("value"), places, parents[places], count))
        for row in np.flatnonzero(np.bincount(parents[places], minlength=count) > 1):
            repeated.setdefault(int(row), []).append(f"repeated:{name}")
    return [
        RowHeaders(dict(zip(HEADERS, found, strict=True)), tuple(repeated.get(row, ())), _reader(column, row))
        for row, found in enumerate(zip(*values, strict=True))
    ]


def _first_values(values: pa.Array, places: "np.ndarray", rows: "np.ndarray", count: int) -> list[bytes | None]:
    found = np.full(count, -1, dtype=np.int64)
    found[rows[::-1]] = places[::-1]  # written backwards, so that the first of several stays
    return values.take(pa.array(found, mask=found < 0)).to_pylist()


def _reader(column: pa.ListArray, row: int) -> Callable[[], Pairs]:
    return lambda: tuple((pair["key"] or "", pair["value"]) for pair in column[row].as_py() or ())
