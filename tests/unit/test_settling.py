"""The fold over Arrow batches: however a partition is cut into batches, each key is settled whole, rows stay in their order."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from commonweal.folding import components
from commonweal.settling import COUNTED, OUTCOME_FIELDS, settle_batches
from commonweal.states import settle
from tests.unit.event_histories import event, histories, placed

INSTANT = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("case_no", pa.string()), ("part", pa.string()), ("_kafka_topic", pa.string()), ("_kafka_partition", pa.int32()),
        ("_kafka_offset", pa.int64()), ("_source", pa.string()), ("_event_id", pa.string()), ("_event_type", pa.string()),
        ("_replaces", pa.string()), ("_digest", pa.string()), ("_occurred_at", INSTANT), ("_sequence", pa.int64()),
        ("_recorded_at", INSTANT), ("_id_conflict", pa.bool_()), ("_target", pa.string()), ("_base", pa.bool_()),
    ]
)  # fmt: skip


def rows(keys: list[tuple[str, str, int]]) -> pa.Table:
    """Events sorted by key; each of its own id and content."""
    made = [
        {
            "case_no": case, "part": part, "_kafka_topic": "t", "_kafka_partition": 0, "_kafka_offset": offset, "_source": "/d",
            "_event_id": f"e{offset}", "_event_type": "recorded", "_replaces": None, "_digest": f"x{offset}", "_occurred_at": at,
            "_sequence": None, "_recorded_at": offset, "_id_conflict": False, "_target": "none", "_base": False,
        }
        for offset, (case, part, at) in enumerate(sorted(keys))
    ]  # fmt: skip
    return pa.Table.from_pylist(made, SCHEMA)


def settled(table: pa.Table, cuts: list[int]) -> pa.Table:
    edges = sorted({0, *(cut % (table.num_rows + 1) for cut in cuts), table.num_rows})
    parts = [table.slice(start, end - start).combine_chunks() for start, end in zip(edges, edges[1:], strict=False)]
    batches = [batch for part in parts for batch in part.to_batches()]
    return pa.Table.from_batches(settle_batches(batches, key_columns=("case_no", "part")), pa.schema([*SCHEMA, *OUTCOME_FIELDS]))


keys = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(1, 3)), min_size=1, max_size=20)


@given(keys, st.lists(st.integers(0, 20), max_size=5))
def test_cuts_change_nothing(found, cuts):
    table = rows(found)
    whole, cut = settled(table, []), settled(table, cuts)
    assert cut.equals(whole)
    assert cut.select(SCHEMA.names).equals(table)


@given(keys)
def test_each_key_has_one_carrier_and_its_counters_add_up(found):
    made = settled(rows(found), []).to_pylist()
    carriers = [row for row in made if row["_state"] is not None]
    assert {(row["case_no"], row["part"]) for row in carriers} == {(case, part) for case, part, _ in found}
    assert len(carriers) == len({(case, part) for case, part, _ in found})
    assert sum(row["_events"] for row in carriers) == len(found)
    for row in carriers:
        parts = ("_superseded", "_duplicates", "_conflicts", "_pending", "_withdrawn")
        assert row["_events"] == sum(row[name] for name in parts) + (row["_state"] == "live")


def outcomes_of(events) -> list[dict]:
    """What the fold says of the events of one key, as rows of ``OUTCOME_FIELDS``."""
    found = settle(events)
    verdicts = [outcome.verdict for outcome in found.outcomes]
    rows = [
        {"_verdict": outcome.verdict.value, "_valid_from": outcome.valid_from, "_valid_to": outcome.valid_to}
        for outcome in found.outcomes
    ]
    counts = [len(verdicts), *(verdicts.count(verdict) for verdict in COUNTED)]
    rows[found.carrier] |= zip((field.name for field in OUTCOME_FIELDS[3:]), [found.state, *counts], strict=True)
    return rows


@st.composite
def short_histories(draw):
    """One to three events that mostly just follow one another, since random histories hardly ever do."""
    return [
        event(
            f"e{number}",
            kind=draw(st.sampled_from(["recorded"] * 9 + ["withdrawn"])),
            replaces=draw(st.sampled_from([None] * 9 + ["e0"])),
            digest=draw(st.sampled_from("vwxyz")),
            at=draw(st.integers(1, 2)),
            sequence=draw(st.sampled_from([None, 1])),
            recorded=draw(st.integers(1, 2)),
        )
        for number in range(draw(st.integers(1, 3)))
    ]


@given(
    st.lists(histories() | short_histories(), min_size=1, max_size=12),
    st.sets(st.integers(0, 11)),
    st.lists(st.integers(0, 80), max_size=5),
)
def test_each_event_has_the_outcome_that_the_fold_of_its_key_gives_it(found, in_conflict, cuts):
    made, expected = [], []
    for number, history in enumerate(found):
        first, *others = placed(history)
        # Another key has an event of the same id.
        events = [first._replace(id_conflict=first.id_conflict or number in in_conflict), *others]
        expected += outcomes_of(events)
        made += [
            {"case_no": f"k{number:02}", "part": "x", "_base": False, "_target": event.target.value}
            | dict(zip(("_kafka_topic", "_kafka_partition", "_kafka_offset"), event.place, strict=True))
            | {f"_{name}": value for name, value in event._asdict().items() if name not in ("place", "target")}
            for event in events
        ]
    outcomes = settled(pa.Table.from_pylist(made, SCHEMA), cuts).select([field.name for field in OUTCOME_FIELDS])
    assert outcomes.equals(pa.Table.from_pylist(expected, pa.schema(OUTCOME_FIELDS)))


@given(st.lists(st.lists(st.integers(0, 30), min_size=2, max_size=4), max_size=20))
def test_what_is_linked_hangs_together_and_nothing_else(linked):
    found = components(linked)
    assert sorted(item for group in found for item in group) == sorted({item for group in linked for item in group})
    where = {item: number for number, group in enumerate(found) for item in group}
    assert all(len({where[item] for item in group}) == 1 for group in linked)
    for group in found:
        reached, links = {group[0]}, [set(link) for link in linked]
        while more := [link for link in links if link & reached and not link <= reached]:
            reached |= set.union(*more)
        assert reached == set(group)
