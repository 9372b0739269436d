import base64
from datetime import UTC, date, datetime
from decimal import Decimal

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commonweal.decoding import Record, pack, unpack
from commonweal.identity import Place, load_private_key, load_pseudonymiser, unseal
from commonweal.render.lake_schema import landing_schema

FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
documents = st.fixed_dictionaries(
    {
        "case_no": st.from_regex(r"[A-Z0-9]{1,20}", fullmatch=True),
        "opened_on": st.dates(date(1900, 1, 1), date(2026, 1, 5)).map(str),
    },
    optional={
        "status_code": st.sampled_from(["active", "ended", None]),
        "amount_cny": st.decimals(-9999999999, 9999999999, places=2).map(lambda number: f"{number:f}"),
        "visits": st.integers(0, 2**63 - 1),
        "is_urgent": st.booleans(),
        "note": texts,
        "seen_at": st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(lambda instant: f"{instant.isoformat()}Z"),
    },
)


def every_form(number: str) -> list[str]:
    forms = [
        number,
        number.lower(),
        number.translate(FULL_WIDTH),
        base64.b64encode(number.encode()).decode().rstrip("="),
        number.encode().hex(),
    ]
    return [form for form in forms if form]


def assert_traceless(rows: list[dict], number: str) -> None:
    for row in rows:
        for column, value in row.items():
            content = value if isinstance(value, bytes) else str(value).encode()
            for form in every_form(number):
                assert form.encode() not in content, f"a resident id is in {column}"


def test_a_good_record_is_typed_and_pseudonymised(land, headers, document, contract, keys):
    [row] = land((headers, document))
    assert list(row) == landing_schema(contract).names
    assert row["_accepted"] and row["_reasons"] == []
    assert row["person_key"] == load_pseudonymiser(keys).pseudonym("resident_id", document["resident_id"])
    assert (row["amount_cny"], row["opened_on"], row["changed_on"]) == (Decimal("120.50"), date(2025, 12, 1), None)
    assert row["_occurred_at"] == datetime(2025, 12, 1, tzinfo=UTC)
    assert (row["_source"], row["_event_id"], row["_event_type"]) == ("/welfare/cases", "event-1", "recorded")
    assert (row["_sequence"], row["_contract_version"], row["_kafka_partition"]) == (3, "1.0.0", 1)
    sealed = unseal(load_private_key(keys), row["_sealed"], contract.id, Place(contract.topic, 1, 0))
    assert orjson.loads(sealed) == {"person_key": document["resident_id"]}


def test_a_rejected_record_keeps_its_identity_and_is_sealed_whole(land, headers, document, contract, keys):
    [row] = land((headers, document | {"visits": -1, "amount_cny": "1.234"}))
    assert not row["_accepted"]
    assert set(row["_reasons"]) == {"minimum:visits", "pattern:amount_cny"}
    assert (row["_source"], row["_event_id"], row["person_key"]) == ("/welfare/cases", "event-1", None)
    record = unpack(unseal(load_private_key(keys), row["_sealed"], contract.id, Place(contract.topic, 1, 0)))
    assert orjson.loads(record.value)["visits"] == -1 and record.key == b"k"
    assert dict(record.headers) == {name: value.encode() for name, value in headers.items()}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty:_document"),
        (b"", "empty:_document"),
        (b"\xff\xfe", "json:_document"),
        (b"{", "json:_document"),
        (b'{"visits": NaN}', "json:_document"),
        (b'{"visits": 1e999}', "json:_document"),
        (b'{"note": "\\ud800"}', "json:_document"),
        (b"[" * 200_000, "json:_document"),
        (b'{"a":' * 200_000, "json:_document"),
        (b'{"note":' * 900 + b"1" + b"}" * 900, "type:note"),
        (b"[]", "object:_document"),
        (b"7", "object:_document"),
        (b'{"case_no": "C1", "case_no": "C2"}', "duplicate_keys:_document"),
        (b'{"visits": 1, "visits" : 2, "note": "\\"quotes\\""}', "duplicate_keys:_document"),
        (b'{"visits": 9223372036854775808}', "maximum:visits"),
        (b'{"visits": 123456789012345678901234567890}', "maximum:visits"),
        (b'{"note": "a\\u0000b"}', "characters:note"),
        (b'{"opened_on": "2023-02-30"}', "date:opened_on"),
        (b'{"seen_at": "2023-02-28T25:00:00Z"}', "timestamp:seen_at"),
        (b'{"is_urgent": 1}', "type:is_urgent"),
        (b'{"case_no": null}', "required:case_no"),
        (b"{}", "required:occurred_at"),
        (b'{"990101199003070021": 1}', "additional_properties:_document"),
    ],
)
def test_what_can_not_be_read_lands_as_a_rejection(land, headers, document, value, reason):
    good, bad = land((headers, document), (headers | {"ce_id": "event-2"}, value))
    assert good["_accepted"]
    assert not bad["_accepted"] and bad["_sealed"] and reason in bad["_reasons"]
    assert bad["_event_id"] == "event-2"


def test_what_was_recorded_within_the_retention_lands(land, headers, document):
    [row] = land((headers | {"ce_time": "2016-01-09T12:00:00Z"}, document))
    assert row["_accepted"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ce_id": None}, "required:ce_id"),
        ({"ce_id": ""}, "required:ce_id"),
        ({"ce_id": "x" * 201}, "characters:ce_id"),
        ({"ce_id": "a\0b"}, "characters:ce_id"),
        ({"ce_id": b"\xff"}, "characters:ce_id"),
        ({"ce_source": "/police"}, "department:ce_source"),
        ({"ce_source": "/welfare2/x"}, "department:ce_source"),
        ({"ce_source": "/welfare/x/y"}, "department:ce_source"),
        ({"ce_specversion": "0.3"}, "version:ce_specversion"),
        ({"ce_type": "welfare.case.deleted"}, "event_type:ce_type"),
        ({"ce_type": "welfarexcase.recorded"}, "event_type:ce_type"),
        ({"ce_type": "welfare.case.corrected"}, "required:ce_replaces"),
        ({"ce_type": "welfare.case.withdrawn", "ce_replaces": "event-1"}, "itself:ce_replaces"),
        ({"ce_replaces": "event-0"}, "forbidden:ce_replaces"),
        ({"ce_time": "yesterday"}, "timestamp:ce_time"),
        ({"ce_time": "2026-01-05 00:00:00"}, "timestamp:ce_time"),
        ({"ce_time": "2026-01-07T00:00:00Z"}, "horizon:ce_time"),
        ({"ce_time": "2016-01-09T11:59:59Z"}, "retention:ce_time"),
        ({"ce_dataschema": "urn:commonweal:welfare.case:2.0.0"}, "major_version:ce_dataschema"),
        ({"ce_dataschema": "urn:commonweal:welfare.other:1.0.0"}, "major_version:ce_dataschema"),
        ({"content-type": "text/csv"}, "media_type:content-type"),
    ],
)
def test_each_header_has_its_rules(land, headers, document, change, reason):
    [row] = land((headers | change, document))
    assert row["_reasons"] == [reason]


def test_no_headers_at_all(land, document):
    for headers in (None, {}):
        [row] = land((headers, document))
        assert "required:ce_id" in row["_reasons"] and row["_event_id"] is None


def test_a_header_that_stands_twice_is_refused(land, headers, document):
    [row] = land(([*headers.items(), ("ce_id", "event-9")], document))
    assert row["_reasons"] == ["repeated:ce_id"]


def test_a_correction_names_what_it_replaces(land, headers, document):
    [row] = land((headers | {"ce_type": "welfare.case.corrected", "ce_replaces": "event-0"}, document))
    assert (row["_event_type"], row["_replaces"], row["_reasons"]) == ("corrected", "event-0", [])


def test_a_repair_says_who_repaired(land, headers, document, contract):
    assert land((headers, document), topic=contract.repair_topic)[0]["_reasons"] == ["required:ce_repairer"]
    assert land((headers | {"ce_repairer": "clerk"}, document), topic=contract.repair_topic)[0]["_accepted"]


def test_too_early_is_refused_and_early_is_not(land, headers, document):
    assert land((headers, document | {"changed_on": "2026-01-06"}))[0]["_accepted"]
    assert land((headers, document | {"changed_on": "2026-01-07"}))[0]["_reasons"] == ["horizon:occurred_at"]


def test_a_resident_id_where_none_belongs_is_refused(land, headers, document, resident_id):
    own, stranger = document["resident_id"], resident_id(77)
    spaced = f"身份证{own[:6]} {own[6:]}"
    cases = [
        (headers | {"ce_id": own}, document, "resident_id_in_text:ce_id"),
        (headers | {"ce_id": f"case-{own}-1"}, document, "resident_id_in_text:ce_id"),
        (headers | {"ce_id": f"C{own}Z"}, document, "resident_id_in_text:ce_id"),
        (headers | {"ce_id": own[:6] + " " + own[6:]}, document, "resident_id_in_text:ce_id"),
        (headers | {"ce_id": f"C{stranger}"}, document, "resident_id_in_text:ce_id"),
        (headers | {"ce_id": stranger.translate(FULL_WIDTH)}, None, "resident_id_in_text:ce_id"),
        (headers | {"ce_id": stranger}, None, "resident_id_in_text:ce_id"),
        (headers, document | {"case_no": f"C{own}"}, "resident_id_in_text:case_no"),
        (headers, document | {"note": f"住在 {stranger} 家"}, "resident_id_in_text:note"),
        (headers, document | {"note": stranger.translate(FULL_WIDTH)}, "resident_id_in_text:note"),
        (headers, document | {"note": spaced}, "resident_id_in_text:note"),
    ]
    rows = land(*((given, value) for given, value, _ in cases))
    for row, (_, _, reason) in zip(rows, cases, strict=True):
        assert reason in row["_reasons"]
    assert_traceless(rows, own)
    assert_traceless(rows, stranger)


@relaxed
@given(document=documents, serial=st.integers(0, 999), wide=st.booleans())
def test_no_resident_id_leaves_and_accepted_rows_hold_the_document(
    land, headers, contract, keys, resident_id, *, document, serial, wide
):
    number = resident_id(serial)
    written = number.translate(FULL_WIDTH) if wide else number
    [row] = land((headers, document | {"resident_id": written}))
    assert row["_accepted"], row["_reasons"]
    assert_traceless([row], number)
    raw = unseal(load_private_key(keys), row["_sealed"], contract.id, Place(contract.topic, 1, 0))
    found = {field.name: row[field.column] for field in contract.fields} | {"resident_id": orjson.loads(raw)["person_key"]}
    expected = {name: value for name, value in document.items() if value is not None}
    assert {name: _json(value) for name, value in found.items() if value is not None} == _canonical(expected) | {
        "resident_id": number
    }


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, date | Decimal) else value


def _canonical(document: dict) -> dict:
    found = dict(document)
    if "amount_cny" in found:
        found["amount_cny"] = str(Decimal(found["amount_cny"]) + 0)
    if "seen_at" in found:
        found["seen_at"] = datetime.fromisoformat(found["seen_at"]).isoformat()
    return found


@relaxed
@given(document=documents, seed=st.randoms(use_true_random=False))
def test_equal_content_lands_as_equal_values(land, headers, resident_id, document, seed):
    full = document | {"resident_id": resident_id()}
    items = list(full.items())
    seed.shuffle(items)
    other = dict(items) | {"resident_id": full["resident_id"].translate(FULL_WIDTH), "changed_on": None}
    if "amount_cny" in other:
        other["amount_cny"] = (
            other["amount_cny"].rstrip("0") if not other["amount_cny"].endswith(".00") else other["amount_cny"][:-3]
        )
    spaced = orjson.dumps(other, option=orjson.OPT_INDENT_2)
    again = headers | {"ce_id": "event-2", "ce_time": "2026-01-04T00:00:00Z"}
    one, two = ({name: row[name] for name in row if name[0] != "_"} for row in land((headers, full), (again, spaced)))
    assert one == two
    assert one["person_key"]


@relaxed
@given(
    value=st.one_of(
        st.none(),
        st.binary(max_size=300),
        texts,
        st.recursive(
            st.none() | st.booleans() | st.floats() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)
        ).map(orjson.dumps),
    ),
    given_headers=st.one_of(
        st.none(),
        st.lists(
            st.tuples(
                st.sampled_from(["ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema", "ce_replaces", "x"]) | texts,
                st.none() | st.binary(max_size=40),
            ),
            max_size=12,
        ),
    ),
)
def test_nothing_in_a_record_stops_the_batch(land, headers, document, value, given_headers):
    odd, good, mixed = land((given_headers, value), (headers, document), (headers, value))
    assert good["_accepted"]
    for row in (odd, mixed):
        assert row["_accepted"] is False and row["_sealed"]
        assert all(_is_reason(reason) for reason in row["_reasons"])


def _is_reason(reason: str) -> bool:
    rule, _, field = reason.partition(":")
    return rule.replace("_", "").isalpha() and field.replace("_", "").replace("-", "").isalpha()


@given(st.none() | st.binary(), st.none() | st.binary(), st.lists(st.tuples(texts, st.none() | st.binary())))
def test_a_packed_record_comes_back_byte_by_byte(key, value, pairs):
    assert unpack(pack(Record(key, value, tuple(pairs)))) == Record(key, value, tuple(pairs))


def test_an_empty_batch(land):
    assert land() == []
