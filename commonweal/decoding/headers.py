"""Kafka headers out of Arrow: one column per header, found by whole columns rather than record by record."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from commonweal.decoding.envelope import HEADERS

Pairs = tuple[tuple[str, bytes | None], ...]


class BatchHeaders(NamedTuple):
    """The headers of a batch of records.

    Attributes:
        columns: By name in ``HEADERS``, one value a record, null for one that isn't there.
        repeated: By record, the reasons for those of them that stand more than once.
    """

    columns: dict[str, pa.Array]
    repeated: dict[int, tuple[str, ...]]

    def rows(self) -> list[tuple[bytes | None, ...]]:
        """For each record the values of ``HEADERS``, in that order."""
        return list(zip(*(self.columns[name].to_pylist() for name in HEADERS), strict=True))


def distinct(columns: Sequence[pa.Array]) -> tuple[list[tuple[Any, ...]], npt.NDArray[np.int64]]:
    """The combinations in which the values of some columns occur, and for each row the number of its own."""
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        own = column.dictionary_encode(null_encoding="encode")
        # Numbered anew after each column: the product of all numbers may be too large for an integer.
        _, codes = np.unique(codes * max(len(own.dictionary), 1) + np.asarray(own.indices), return_inverse=True)
    _, firsts = np.unique(codes, return_index=True)
    return list(zip(*(column.take(pa.array(firsts)).to_pylist() for column in columns), strict=True)), codes


def split_headers(column: pa.ListArray) -> BatchHeaders:
    """The headers of each record of a column ``list<struct<key: string, value: binary>>``."""
    count = len(column)
    pairs, parents = column.flatten(), np.asarray(pc.list_parent_indices(column), dtype=np.int64)
    columns: dict[str, pa.Array] = {}
    repeated: dict[int, tuple[str, ...]] = {}
    for name in HEADERS:
        places = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(pairs.field("key"), name), False), dtype=bool))
        columns[name] = _first_values(pairs.field("value"), places, parents[places], count)
        for row in np.flatnonzero(np.bincount(parents[places], minlength=count) > 1):
            repeated[int(row)] = (*repeated.get(int(row), ()), f"repeated:{name}")
    return BatchHeaders(columns, repeated)


def all_headers(column: pa.ListArray, row: int) -> Pairs:
    """Every header of one record, in order: for a record that is to be sealed."""
    return tuple((pair["key"] or "", pair["value"]) for pair in column[row].as_py() or ())


def _first_values(values: pa.Array, places: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], count: int) -> pa.Array:
    found = np.full(count, -1, dtype=np.int64)
    found[rows[::-1]] = places[::-1]  # written backwards, so that the first of several stays
    return values.take(pa.array(found, mask=found < 0))
