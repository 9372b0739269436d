"""What is sent in the place of a rejected record: the whole of it is judged by landing's validator before anything is sent."""

from datetime import UTC, datetime

import orjson
import pyarrow as pa
import pytest

from commonweal.contract.loader import load_contract
from commonweal.decoding import BatchDecoder, Record
from commonweal.decoding.whole import HEADERS_TYPE
from commonweal.errors import ContractError
from commonweal.identity import Place, Sealer, ensure_keys, load_pseudonymiser, load_public_key
from commonweal.repairs import Rejected, Repair, Signature, repaired, replayed
from commonweal.settings import ROOT

BY = Signature("dept_hotline", "read again from the paper form")
GOOD = {"case_no": "NYCC00000001", "office_code": "NYCC01", "opened_on": "2024-01-05"}
RIGHT = {
    "ce_specversion": "1.0",
    "ce_id": "event-1",
    "ce_source": "/hotline/cases",
    "ce_type": "hotline.service_request.recorded",
    "ce_time": "2024-02-01T00:00:00Z",
    "ce_dataschema": "urn:commonweal:hotline.service_request:1.0.0",
    "content-type": "application/json",
}
PLACE = Place("hotline.service_request.v1", 0, 7)
FAULTS = {
    "another department's source": ({"ce_source": "/justice/cases"}, "department:ce_source", "ce_source"),
    "no source": ({"ce_source": None}, "required:ce_source", "ce_source"),
    "no id": ({"ce_id": None}, "required:ce_id", "ce_id"),
    "a time that is none": ({"ce_time": "yesterday"}, "timestamp:ce_time", "ce_time"),
    "a time to come": ({"ce_time": "2999-01-01T00:00:00Z"}, "horizon:ce_time", "ce_time"),
    "a version to come": (
        {"ce_dataschema": "urn:commonweal:hotline.service_request:9.0.0"},
        "major_version:ce_dataschema",
        "ce_dataschema",
    ),
    "another dataset's type": ({"ce_type": "justice.case.recorded"}, "event_type:ce_type", "ce_type"),
    "a correction of nothing": ({"ce_type": "hotline.service_request.corrected"}, "required:ce_replaces", "ce_replaces"),
    "no JSON": ({"content-type": "text/csv"}, "media_type:content-type", "content-type"),
}


@pytest.fixture(scope="module")
def contract():
    return load_contract(ROOT / "schemas", "hotline.service_request")


def rejected(changed: dict[str, str | None], *reasons: str, more: tuple[tuple[str, bytes], ...] = ()) -> Rejected:
    headers = tuple((name, text.encode()) for name, text in (RIGHT | changed).items() if text is not None)
    return Rejected(Record(b"k", orjson.dumps(GOOD), (*headers, *more)), None, None, reasons)


def repair_of(contract, item: Rejected, headers: dict[str, str | None], document=GOOD):
    return repaired(contract, {PLACE: item}, [Repair(PLACE, document, headers)], BY)[0]


@pytest.fixture(scope="module")
def landed(contract, tmp_path_factory):
    """What landing says of records as they stand in the repair topic."""
    keys = tmp_path_factory.mktemp("keys")
    keys.chmod(0o700)
    ensure_keys(keys)
    decoder = BatchDecoder(contract, load_pseudonymiser(keys), Sealer(load_public_key(keys), contract.id))

    def land(record: Record) -> dict:
        batch = pa.RecordBatch.from_pydict(
            {
                "_kafka_topic": [contract.repair_topic],
                "_kafka_partition": pa.array([0], pa.int32()),
                "_kafka_offset": [0],
                "_appended_at": pa.array([datetime.now(UTC)], pa.timestamp("us", "UTC")),
                "headers": pa.array([[{"key": key, "value": value} for key, value in record.headers]], HEADERS_TYPE),
                "key": pa.array([record.key], pa.binary()),
                "value": pa.array([record.value], pa.binary()),
            }
        )
        return decoder.decode(batch).to_pylist()[0]

    return land


@pytest.mark.parametrize("fault", FAULTS)
def test_an_envelope_that_was_rejected_is_not_sent_again_as_it_was(contract, fault):
    changed, reason, _ = FAULTS[fault]
    item = rejected(changed, reason)
    with pytest.raises(ContractError, match=rf"1 of 1 records can't be sent: {reason} \(1\); nothing was sent"):
        repair_of(contract, item, {})
    with pytest.raises(ContractError, match=reason):
        replayed(contract, {PLACE: item}, BY)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_header_at_fault_may_be_mended_and_landing_accepts_it(contract, landed, fault):
    changed, reason, name = FAULTS[fault]
    right = (RIGHT | {"ce_replaces": "event-0"})[name]
    sent = repair_of(contract, rejected(changed, reason), {name: right})
    assert landed(sent.record)["_accepted"]
    assert dict(sent.record.headers)[name] == right.encode()
    assert sent.name == ("/hotline/cases", "event-1")


@pytest.mark.parametrize("name", [*RIGHT, "ce_replaces"])
def test_a_header_that_was_valid_stays(contract, name):
    item = rejected({}, "required:office_code")
    with pytest.raises(ContractError, match=rf"stays:{name} \(1\)"):
        repair_of(contract, item, {name: RIGHT.get(name, "event-0")})


def test_never_to_another_departments_source(contract):
    item = rejected({"ce_source": "nonsense"}, "department:ce_source")
    with pytest.raises(ContractError, match=r"department:ce_source \(1\)"):
        repair_of(contract, item, {"ce_source": "/justice/cases"})


@pytest.mark.parametrize("name", ["ce_repairer", "ce_reason", "ce_partitionkey", "99010119900307002X"])
def test_who_repairs_comes_from_the_platform_and_no_typed_name_is_repeated(contract, name):
    with pytest.raises(ContractError, match=r"unknown:_header \(1\)") as refused:
        repair_of(contract, rejected({}, "required:office_code"), {name: "x"})
    assert name not in str(refused.value)


def test_a_header_that_stands_twice_is_mended_by_one(contract, landed):
    item = rejected({}, "repeated:ce_id", more=(("ce_id", b"event-2"),))
    with pytest.raises(ContractError, match="repeated:ce_id"):
        repair_of(contract, item, {})
    sent = repair_of(contract, item, {"ce_id": "event-2"})
    assert landed(sent.record)["_event_id"] == "event-2"


def test_a_header_too_many_may_be_left_out(contract, landed):
    item = rejected({"ce_replaces": "event-0"}, "forbidden:ce_replaces")
    assert landed(repair_of(contract, item, {"ce_replaces": None}).record)["_accepted"]


def test_an_earlier_repairer_is_replaced(contract):
    item = rejected({}, "required:office_code", more=(("ce_repairer", b"engineer"), ("ce_reason", b"a guess")))
    headers = repair_of(contract, item, {}).record.headers
    assert [value for name, value in headers if name == "ce_repairer"] == [b"dept_hotline"]
    assert [value for name, value in headers if name == "ce_reason"] == [BY.reason.encode()]


def test_all_reasons_of_all_records_are_told_with_their_counts_and_no_value(contract):
    places = [Place(PLACE.topic, 0, offset) for offset in range(3)]
    items = dict.fromkeys(places[:2], rejected({"ce_source": "/justice/cases"}, "department:ce_source"))
    items[places[2]] = rejected({}, "required:office_code")
    wrong = GOOD | {"opened_on": "2024-02-31"}
    with pytest.raises(ContractError) as refused:
        repaired(contract, items, [Repair(places[0], wrong), Repair(places[1], GOOD), Repair(places[2], GOOD)], BY)
    said = str(refused.value)
    assert "2 of 3 records can't be sent" in said
    assert "department:ce_source (2)" in said
    assert "opened_on (1)" in said
    assert "justice" not in said
    assert "02-31" not in said


def test_a_record_that_is_good_by_now_is_replayed_as_it_was(contract, landed):
    item = rejected({}, "required:office_code")._replace(source="/hotline/cases", event_id="event-1")
    sent = replayed(contract, {PLACE: item}, BY)[0]
    assert (sent.record.key, sent.record.value) == (item.record.key, item.record.value)
    assert landed(sent.record)["_accepted"]
    assert sent.name is None
