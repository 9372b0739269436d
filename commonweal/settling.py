"""The fold of ``commonweal.states`` over Arrow batches: what Spark's Python workers run, key by key.

Rows arrive sorted by key, so the rows of one key stand together; a key that a batch cuts in two is held back until it is whole.
Keys whose events only follow one another are settled all at once, see ``commonweal.succession``; the fold is for the others.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from commonweal.expiry import going
from commonweal.render.lake_schema import PLACE_COLUMNS
from commonweal.states import Event, Outcome, Settled, Target, Verdict, settle
from commonweal.succession import Succession, successions

OUTCOME_FIELDS = (
    pa.field("_verdict", pa.string()),
    pa.field("_valid_from", pa.timestamp("us", "UTC")),
    pa.field("_valid_to", pa.timestamp("us", "UTC")),
    pa.field("_state", pa.string()),
    *(pa.field(name, pa.int32()) for name in ("_events", "_superseded", "_duplicates", "_conflicts", "_pending", "_withdrawn")),
)
"""Added to each event; ``_state`` and the counters only stand on the event that carries its key's row, else null."""

GOING_FIELDS = (
    pa.field("_kafka_topic", pa.string()),
    pa.field("_kafka_partition", pa.int32()),
    pa.field("_kafka_offset", pa.int64()),
    pa.field("_gone", pa.bool_()),
)
"""One row per event that expires: it goes, or, where ``_gone`` is false, it stays as a base event."""

INPUTS = (
    PLACE_COLUMNS,
    (
        "_source",
        "_event_id",
        "_event_type",
        "_replaces",
        "_digest",
        "_occurred_at",
        "_sequence",
        "_recorded_at",
        "_id_conflict",
        "_target",
    ),
)
COUNTED = (Verdict.SUPERSEDED, Verdict.DUPLICATE, Verdict.CONFLICT, Verdict.PENDING, Verdict.WITHDRAWN)


def settle_batches(batches: Iterable[pa.RecordBatch], *, key_columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Settle every key of a sorted partition.

    Args:
        batches: Events sorted by ``key_columns``, with the columns of ``INPUTS``.
        key_columns: The business key.

    Yields:
        The same rows, in the same order, with ``OUTCOME_FIELDS`` added.
    """
    for table in _whole_keys(batches, key_columns):
        yield from _settled(table, key_columns)


def expire_batches(batches: Iterable[pa.RecordBatch], *, key_columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Decide for every key of a sorted partition which events expire.

    Args:
        batches: As for ``settle_batches``, with ``_old``, whether the retention of an event has passed, and ``_base``, whether it
            is known already as one that stays.
        key_columns: The business key.

    Yields:
        Rows of ``GOING_FIELDS``; none for an event that stays as it is.
    """
    for table in _whole_keys(batches, key_columns):
        events, is_old, is_base = _events(table), table["_old"].to_pylist(), table["_base"].to_pylist()
        rows = []
        for start, end in _key_ranges(table, key_columns):
            found = going(events[start:end], is_old[start:end])
            bases = {index for index in found.bases if not is_base[start + index]}
            rows += [(*events[start + index].place, index in found.gone) for index in sorted(found.gone | bases)]
        columns = zip(*rows, strict=True) if rows else [()] * len(GOING_FIELDS)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, GOING_FIELDS, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(GOING_FIELDS))


def _whole_keys(batches: Iterable[pa.RecordBatch], key_columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """The rows again, cut between keys only."""
    held: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        table = table if held is None else pa.concat_tables([held, table]).combine_chunks()
        if not table.num_rows:
            continue
        last = _key_starts(table, key_columns)[-1]
        held = table.slice(last)
        if last:
            yield table.slice(0, last)
    if held is not None:
        yield held


def _settled(table: pa.Table, key_columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    whole = table.combine_chunks()
    plain = successions(whole, np.asarray(_is_first(whole, key_columns)))
    others, outcomes = pa.array(~plain.is_plain), _plain_outcomes(plain)
    if (rest := whole.filter(others)).num_rows:
        pairs = zip(outcomes, _folded_outcomes(rest, key_columns), strict=True)
        outcomes = [pc.replace_with_mask(outcome, others, folded) for outcome, folded in pairs]
    chunks = [*(column.chunk(0) for column in whole.columns), *outcomes]
    yield pa.RecordBatch.from_arrays(chunks, schema=pa.schema([*whole.schema, *OUTCOME_FIELDS]))


def _plain_outcomes(plain: Succession) -> list[pa.Array]:
    """``OUTCOME_FIELDS`` of the events of plain keys, which have no other verdicts than these two."""
    is_last, nothing = pa.array(plain.is_last), pa.scalar(None)
    verdict = pc.if_else(is_last, Verdict.LIVE.value, Verdict.SUPERSEDED.value)
    found = {"_verdict": verdict, "_valid_from": plain.valid_from, "_valid_to": plain.valid_to, "_state": "live"}
    found |= {"_events": plain.events, "_superseded": plain.events - 1}
    carried = [pc.if_else(is_last, found.get(field.name, 0), nothing).cast(field.type) for field in OUTCOME_FIELDS[3:]]
    return [*(found[field.name] for field in OUTCOME_FIELDS[:3]), *carried]


def _folded_outcomes(table: pa.Table, key_columns: tuple[str, ...]) -> list[pa.Array]:
    """``OUTCOME_FIELDS`` of events, folded key by key."""
    events = _events(table)
    columns: dict[str, list[Any]] = {field.name: [] for field in OUTCOME_FIELDS}
    for start, end in _key_ranges(table, key_columns):
        _extend(columns, settle(events[start:end]))
    return [pa.array(columns[field.name], field.type) for field in OUTCOME_FIELDS]


def _key_ranges(table: pa.Table, key_columns: tuple[str, ...]) -> Iterable[tuple[int, int]]:
    starts = _key_starts(table, key_columns)
    return zip(starts, [*starts[1:], table.num_rows], strict=True)


def _key_starts(table: pa.Table, key_columns: tuple[str, ...]) -> list[int]:
    """Row numbers at which a new key begins."""
    starts: list[int] = pc.indices_nonzero(_is_first(table, key_columns)).to_pylist()
    return starts


def _is_first(table: pa.Table, key_columns: tuple[str, ...]) -> pa.Array:
    """By row whether a key begins there; the first row of all begins one."""
    changed = pa.array(np.zeros(table.num_rows - 1, dtype=bool))
    for name in key_columns:
        column = table[name].combine_chunks()
        now, before = column.slice(1), column.slice(0, table.num_rows - 1)
        # Two nulls are one key, a null and a value are two: a comparison with null says neither.
        differs = pc.fill_null(pc.not_equal(now, before), pc.xor(pc.is_null(now), pc.is_null(before)))
        changed = pc.or_(changed, differs)
    return pa.concat_arrays([pa.array([True]), changed])


def _events(table: pa.Table) -> list[Event]:
    places = zip(*(table[name].to_pylist() for name in INPUTS[0]), strict=True)
    values = []
    for name in INPUTS[1]:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        values.append(column.to_pylist())
    targets = {target.value: target for target in Target}
    return [
        Event._make((place, *row, targets[target]))
        for place, (*row, target) in zip(places, zip(*values, strict=True), strict=True)
    ]


def _extend(columns: dict[str, list[Any]], settled: Settled) -> None:
    for index, outcome in enumerate(settled.outcomes):
        columns["_verdict"].append(outcome.verdict.value)
        columns["_valid_from"].append(outcome.valid_from)
        columns["_valid_to"].append(outcome.valid_to)
        is_carrier = index == settled.carrier
        columns["_state"].append(settled.state if is_carrier else None)
        counts = _counts(settled.outcomes) if is_carrier else [None] * 6
        for field, count in zip(OUTCOME_FIELDS[4:], counts, strict=True):
            columns[field.name].append(count)


def _counts(outcomes: tuple[Outcome, ...]) -> list[int | None]:
    verdicts = [outcome.verdict for outcome in outcomes]
    return [len(verdicts), *(verdicts.count(verdict) for verdict in COUNTED)]
