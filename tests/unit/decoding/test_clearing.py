"""What the short way clears, the long way accepts, with the same values; and what people send is cleared."""

import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stdnum.cn.ric import calc_check_digit

from commonweal.contract.loader import load_contract
from commonweal.contract.model import Contract
from commonweal.decoding import BatchDecoder, Judge
from commonweal.decoding.clearing import Clearer
from commonweal.decoding.envelope import Envelopes
from commonweal.decoding.headers import split_headers
from commonweal.identity import Sealer, load_pseudonymiser, load_public_key
from commonweal.settings import ROOT
from infra.demo.town import CASES, build
from tests.unit.decoding.conftest import SEEN_AT, a_batch

FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
OWN, STRANGER = (body + calc_check_digit(f"{body}0") for body in ("99010119900307002", "99010119900307077"))
HOLDING = (
    OWN,
    f"C{OWN}Z",
    f"{OWN[:6]} {OWN[6:]}",
    f"{OWN[:6]}\u3000{OWN[6:]}",
    f"{OWN[:9]}\u200b{OWN[9:]}号",
    OWN.translate(FULL_WIDTH),
    STRANGER,
    f"{STRANGER[:3]} {STRANGER[3:]}",
)
VALUES = (
    *HOLDING, None, True, False, 0, 1, -1, 1.0, 3.5, 2**53, 2**63 - 1, 2**63, 2**64 - 1, "", " ", "a\0b", "C1", "c1", "x" * 4001,
    "active", "A", "在享", "2025-12-01", "2023-02-30", "2025-12-1", "2026-01-06", "2026-01-07", "9999-12-31",
    "2025-12-01T08:00:00Z", "2025-12-01T08:00:00.1234567Z", "2025-12-01t08:00:00z", "2025-12-01T25:00:00Z",
    "120.5", "0120.5", "-0.00", "1.234", "12345678901.00", "1e3", "1２", "+1", [], [1], {}, {"a": {"b": []}},
)  # fmt: skip
SAID = {
    "ce_id": (None, "", "x" * 200, "x" * 201, "a b", "ä", b"\xff", "a\0b", *HOLDING),
    "ce_source": ("/police", "/welfare", "/welfare/x/y"),
    "ce_specversion": ("0.3",),
    "ce_type": ("welfare.case.corrected", "welfare.case.withdrawn", "welfare.case.deleted"),
    "ce_replaces": ("event-0", "", "event-1"),
    "ce_repairer": ("clerk",),
    "ce_time": ("yesterday", "2026-01-07T00:00:00Z", "2026-01-06T12:00:00Z", "2016-01-09T11:59:59Z", "2016-01-09T12:00:00Z"),
    "ce_dataschema": ("urn:commonweal:welfare.case:1.9.9", "urn:commonweal:welfare.case:2.0.0"),
    "content-type": (None, "text/csv"),
}
FORMS = ("plain", "indented", "twice", "escaped", "cut", "list", "repeated")


def a_record(headers, document, form="plain"):
    """A record whose document is written in one of the forms."""
    value = orjson.dumps(document)
    written = {
        "indented": orjson.dumps(document, option=orjson.OPT_INDENT_2),
        "twice": value[:-1] + b',"visits":4}',
        "escaped": value[:-1] + b',"v\\u0069sits":4}',
        "cut": value[:-1],
        "list": b"[" + value + b"]",
    }.get(form, value)
    return [*headers.items(), *([("ce_id", "event-2")] if form == "repeated" else [])], written


def assert_same(contract, records, topic):
    """Whatever was cleared, the long way accepts with the same values; gives the numbers of what was not."""
    batch = a_batch(records, topic)
    split = split_headers(batch.column("headers"))
    cleared, judge = Clearer(contract, Envelopes(contract)).clear(batch, split), Judge(contract)
    said = {name: pa.array(column).to_pylist() for name, column in cleared.envelope.items()}
    for row, value in enumerate(batch.column("value").to_pylist()):
        if row in cleared.doubtful:
            continue
        judged = judge.read(split.rows()[row], value, topic=topic, seen_at=SEEN_AT, repeated=split.repeated.get(row, ()))
        assert judged.reasons == (), (split.rows()[row], value)
        found = {name: column[row] for name, column in cleared.values.items() if column[row] is not None}
        assert typed(found) == typed(judged.reading.values)
        assert cleared.occurred_at[row].as_py() == judged.reading.occurred_at
        assert {name: said[name][row] for name in said} == {name: getattr(judged.envelope, name.strip("_")) for name in said}
        assert judged.envelope.replaces is None
    return cleared.doubtful


def typed(values):
    return {name: (type(value), value) for name, value in values.items()}


def single_changes(headers, document):
    """A record for each change that we could think of, of its document, of its headers and of how it is written."""
    without = [{name: value for name, value in document.items() if name != left} for left in document]
    changed = [document | {name: value} for name in (*document, "unknown") for value in VALUES]
    other_headers = [headers | {name: value} for name, values in SAID.items() for value in values]
    return [
        *(a_record(headers, other) for other in (*without, *changed)),
        *(a_record(other, document) for other in other_headers),
        *(a_record(headers, document, form) for form in FORMS),
    ]


def test_every_single_change(contract, headers, document):
    records = single_changes(headers, document)
    for topic in contract.topics:
        doubtful = assert_same(contract, records, topic)
        assert 0 < len(doubtful) <= len(records)


def test_rows_are_the_same_whatever_came_before_and_beside_them(contract, headers, document, keys):
    decoder = BatchDecoder(contract, load_pseudonymiser(keys), Sealer(load_public_key(keys), contract.id))
    records = single_changes(headers, document)[::5]
    together = decoder.decode(a_batch(records, contract.topic)).to_pylist()
    apart = [row for record in records for row in decoder.decode(a_batch([record], contract.topic)).to_pylist()]
    for row, (one, other) in enumerate(zip(together, apart, strict=True)):
        assert one | {"_sealed": None, "_kafka_offset": 0} == other | {"_sealed": None}
        assert (one["_kafka_offset"], one["_sealed"] is None) == (row, other["_sealed"] is None)
    assert {row["_accepted"] for row in together} == {True, False}


def test_only_good_values_are_remembered(contract, headers, document):
    clearer = Clearer(contract, Envelopes(contract))
    batch = a_batch([(headers, document | {"status_code": "x" * 4000}), (headers, document)], contract.topic)
    assert clearer.clear(batch, split_headers(batch.column("headers"))).doubtful == {0}
    assert clearer._columns["status_code"]._known == {"active": "active"}


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_several_changes_at_once(contract, headers, document, data):
    changes = st.dictionaries(st.sampled_from((*document, "unknown")), st.sampled_from(VALUES) | st.text(max_size=20), max_size=3)
    said = st.sampled_from(sorted(SAID)).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(SAID[name])))
    one = st.builds(
        lambda change, pairs, form: a_record(headers | dict(pairs), document | change, form),
        changes, st.lists(said, max_size=2), st.sampled_from(FORMS),
    )  # fmt: skip
    assert_same(contract, data.draw(st.lists(one, min_size=1, max_size=8)), contract.topic)


@pytest.mark.parametrize(
    ("change", "is_doubtful"),
    [
        ({}, False),
        ({"changed_on": "2026-01-06"}, False),
        ({"changed_on": "2026-01-07"}, True),
        ({"resident_id": OWN.translate(FULL_WIDTH)}, False),
        ({"note": "2025年1月1日 13:45 拨打 0571-8888 8888"}, False),
        *(({"note": f"住在 {text} 家"}, True) for text in HOLDING),
        ({"note": "\x85\u3000".join(OWN)}, True),
    ],
)
def test_good_records_are_cleared_and_doubtful_ones_are_not(contract, headers, document, change, is_doubtful):
    batch = a_batch([(headers, document | change), (headers, document)], contract.topic)
    cleared = Clearer(contract, Envelopes(contract)).clear(batch, split_headers(batch.column("headers")))
    assert cleared.doubtful == ({0} if is_doubtful else set())


def test_of_the_events_of_a_department_only_the_wrong_ones_go_the_long_way(tmp_path):
    events = build(tmp_path, residents=300).direct
    contract = load_contract(ROOT / "schemas", CASES)
    batch = a_batch([(event.headers, event.value) for event in events], contract.topic)
    cleared = Clearer(contract, Envelopes(contract)).clear(batch, split_headers(batch.column("headers")))
    assert cleared.doubtful == {row for row, event in enumerate(events) if event.is_wrong}
    assert 0 < len(cleared.doubtful) < len(events)


def test_contracts_with_identifiers_of_another_kind_go_the_long_way(contract: Contract, headers, document):
    kinds = {"resident_id": "credit_code"}
    fields = tuple(field.model_copy(update={"identifier": kinds.get(field.name)}) for field in contract.fields)
    other = contract.model_copy(update={"fields": fields})
    batch = a_batch([(headers, document)], contract.topic)
    assert Clearer(other, Envelopes(other)).clear(batch, split_headers(batch.column("headers"))) is None
