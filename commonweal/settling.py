"""The fold of ``commonweal.states`` over Arrow batches: what Spark's Python workers run, key by key.

Rows arrive sorted by key, so the rows of one key stand together; a key that a batch cuts in two is held back until it is whole.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from commonweal.states import Event, Outcome, Settled, Target, Verdict, settle

OUTCOME_FIELDS = (
    pa.field("_verdict", pa.string()),
    pa.field("_valid_from", pa.timestamp("us", "UTC")),
    pa.field("_valid_to", pa.timestamp("us", "UTC")),
    pa.field("_state", pa.string()),
    *(pa.field(name, pa.int32()) for name in ("_events", "_superseded", "_duplicates", "_conflicts", "_pending", "_withdrawn")),
)
"""Added to each event; ``_state`` and the counters only stand on the event that carries its key's row, else null."""

INPUTS = (
    ("_kafka_topic", "_kafka_partition", "_kafka_offset"),
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
    held: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        table = table if held is None else pa.concat_tables([held, table]).combine_chunks()
        if not table.num_rows:
            continue
        last = _key_starts(table, key_columns)[-1]
        held = table.slice(last)
        yield from _settled(table.slice(0, last), key_columns)
    if held is not None:
        yield from _settled(held, key_columns)


def _settled(table: pa.Table, key_columns: tuple[str, ...]) -> list[pa.RecordBatch]:
    if not table.num_rows:
        return []
    events = _events(table)
    starts = [*_key_starts(table, key_columns), len(events)]
    columns: dict[str, list[Any]] = {field.name: [] for field in OUTCOME_FIELDS}
    for start, end in zip(starts, starts[1:], strict=False):
        _extend(columns, settle(events[start:end]))
    arrays = [pa.array(columns[field.name], field.type) for field in OUTCOME_FIELDS]
    whole = table.combine_chunks()
    chunks = [*(column.chunk(0) for column in whole.columns), *arrays]
    return [pa.RecordBatch.from_arrays(chunks, schema=pa.schema([*whole.schema, *OUTCOME_FIELDS]))]


def _key_starts(table: pa.Table, key_columns: tuple[str, ...]) -> list[int]:
    """Row numbers at which a new key begins."""
    changed = None
    for name in key_columns:
        column = table[name]
        differs = pc.not_equal(column.slice(1), column.slice(0, table.num_rows - 1))
        changed = differs if changed is None else pc.or_(changed, differs)
    inner = pc.add(pc.indices_nonzero(changed), 1).to_pylist() if changed is not None and table.num_rows > 1 else []
    return [0, *inner]


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
        Event._make((place, *row[:-1], targets[row[-1]])) for place, row in zip(places, zip(*values, strict=True), strict=True)
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
