"""Keys whose events only follow one another: what became of those needs no fold, and is worked out for all of them at once.

The events of such a key replace nothing, are in no conflict, say different things and stand in one order without ties. So the
last is live, and each one before it superseded. Most keys are such; the others go to the fold of ``commonweal.states``, of whose
answers these are a part.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from commonweal.states import NEVER

INSTANT = pa.timestamp("us", "UTC")
READ = ("_source", "_event_id", "_event_type", "_digest", "_occurred_at", "_recorded_at", "_id_conflict")
"""Must be there: an event that lacks one of them is the fold's."""


@dataclass(frozen=True)
class Succession:
    """What became of events whose keys are plain; by row, and without meaning where it isn't.

    Attributes:
        is_plain: Whether the row's key is such.
        is_last: Whether it is the last event of its key.
        valid_from: When its state began to hold.
        valid_to: When the next one did; null where there is none.
        events: How many the key has.
    """

    is_plain: npt.NDArray[np.bool_]
    is_last: npt.NDArray[np.bool_]
    valid_from: pa.Array
    valid_to: pa.Array
    events: npt.NDArray[np.int32]


def successions(table: pa.Table, is_first: npt.NDArray[np.bool_]) -> Succession:
    """Find the plain keys, and what became of their events.

    Args:
        table: Events, those of one key together, with the columns of ``settling.INPUTS``; not empty. An id of which there are
            different contents is in a conflict, see ``folding.flagged``.
        is_first: By row whether a key begins there.
    """
    key = np.cumsum(is_first) - 1
    occurred, recorded = (_numbers(table[name]) for name in ("_occurred_at", "_recorded_at"))
    sequence = _numbers(table["_sequence"], absent=NEVER)
    order = np.lexsort((recorded, sequence, occurred, key))
    follows = key[order[1:]] == key[order[:-1]]
    ties = follows & np.logical_and.reduce([column[order[1:]] == column[order[:-1]] for column in (occurred, sequence, recorded)])
    # Unless it is in a conflict, an id has one content: where all contents differ, so do the ids.
    contents = np.sort(key * table.num_rows + _codes(table["_digest"]))
    repeated = contents[1:][contents[1:] == contents[:-1]] // table.num_rows
    is_plain = np.ones(int(key[-1]) + 1, dtype=bool)
    for others in (key[_is_special(table)], key[order[1:]][ties], repeated):
        is_plain[others] = False
    is_last, valid_to = np.ones(len(key), dtype=bool), np.zeros(len(key), dtype=np.int64)
    is_last[order[:-1]] = ~follows
    valid_to[order[:-1]] = occurred[order[1:]]
    return Succession(
        is_plain[key],
        is_last,
        pa.array(occurred).cast(INSTANT),
        pa.array(valid_to, mask=is_last).cast(INSTANT),
        np.bincount(key)[key].astype(np.int32),
    )


def _is_special(table: pa.Table) -> npt.NDArray[np.bool_]:
    """By row whether it replaces something, takes it back, is in a conflict, or lacks what an event has."""
    special = pc.or_(pc.is_valid(table["_replaces"]), pc.not_equal(table["_event_type"], "recorded"))
    for lacks in (pc.is_null(table[name]) for name in READ):
        special = pc.or_kleene(special, lacks)
    return np.asarray(pc.fill_null(pc.or_kleene(special, table["_id_conflict"]), fill_value=True))


def _numbers(column: pa.ChunkedArray, absent: int = 0) -> npt.NDArray[np.int64]:
    """Instants as microseconds, numbers as they are."""
    column = column.cast(INSTANT) if pa.types.is_timestamp(column.type) else column
    return np.asarray(pc.fill_null(column.cast(pa.int64()), absent))


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A number for each distinct text, below the number of rows."""
    return np.asarray(pc.fill_null(column.combine_chunks().dictionary_encode().indices, 0), dtype=np.int64)
