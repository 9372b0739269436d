"""Kafka headers out of Arrow: one mapping per record, found by whole columns rather than record by record."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from commonweal.decoding.envelope import HEADERS

Pairs = tuple[tuple[str, bytes | None], ...]


class BatchHeaders(NamedTuple):
    """The headers of a batch of records.

    Attributes:
        found: For each record the values of ``HEADERS``, in that order, None for one that isn't there.
        repeated: By record, the reasons for those of them that stand more than once.
    """

    found: list[tuple[bytes | None, ...]]
    repeated: dict[int, tuple[str, ...]]


def split_headers(column: pa.ListArray) -> BatchHeaders:
    """The headers of each record of a column ``list<struct<key: string, value: binary>>``."""
    count = len(column)
    pairs, parents = column.flatten(), np.asarray(pc.list_parent_indices(column), dtype=np.int64)
    values: list[list[bytes | None]] = []
    repeated: dict[int, tuple[str, ...]] = {}
    for name in HEADERS:
        places = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(pairs.field("key"), name), False), dtype=bool))
        values.append(_first_values(pairs.field("value"), places, parents[places], count))
        for row in np.flatnonzero(np.bincount(parents[places], minlength=count) > 1):
            repeated[int(row)] = (*repeated.get(int(row), ()), f"repeated:{name}")
    return BatchHeaders(list(zip(*values, strict=True)), repeated)


def all_headers(column: pa.ListArray, row: int) -> Pairs:
    """Every header of one record, in order: for a record that is to be sealed."""
    return tuple((pair["key"] or "", pair["value"]) for pair in column[row].as_py() or ())


def _first_values(values: pa.Array, places: "np.ndarray", rows: "np.ndarray", count: int) -> list[bytes | None]:
    found = np.full(count, -1, dtype=np.int64)
    found[rows[::-1]] = places[::-1]  # written backwards, so that the first of several stays
    taken: list[bytes | None] = values.take(pa.array(found, mask=found < 0)).to_pylist()
    return taken
