"""Records that no department should send, in Kafka all the same: each is rejected, and what is good beside it is read."""

import secrets
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from kafka import errors as kafka_errors

from commonweal import bus
from commonweal.gate.measure import Counting
from commonweal.lake.candidates import read_candidate
from commonweal.lake.names import landing_table
from commonweal.render.topic import MAX_MESSAGE_BYTES
from commonweal.steps.run import run_with
from tests.integration.copies import copied_contracts
from tests.integration.histories import Sent

NAME = f"bad_{secrets.token_hex(4)}"
DATASET = f"hotline.{NAME}"
GOOD = {"case_no": "NYCC00000001", "office_code": "NYCC01", "opened_on": "2024-01-05", "category": "Water"}
RECORDED = datetime(2024, 2, 1, tzinfo=UTC)
VALUES = {
    "empty:_document": b"",
    "json:_document": b"\xff\xfe not UTF-8",
    "object:_document": b'["a list"]',
    "duplicate_keys:_document": b'{"case_no": "NYCC00000001", "case_no": "NYCC00000002"}',
    "additional_properties:_document": orjson.dumps({**GOOD, "note": 1}),
    "characters:category": orjson.dumps({**GOOD, "category": "a\0b"}),
    "date:opened_on": orjson.dumps({**GOOD, "opened_on": "2024-02-30"}),
    "type:category": orjson.dumps({**GOOD, "category": 7}),
    "required:office_code": orjson.dumps({**GOOD, "office_code": None}),
    "horizon:occurred_at": orjson.dumps({**GOOD, "opened_on": "2999-01-01"}),
    "resident_id_in_text:category": orjson.dumps({**GOOD, "category": "of 990101199003070023"}),
}
"""By reason, the value of a record that breaks that rule; its headers are good."""
UNREADABLE = {
    "NaN": b'{"case_no": NaN}',
    "200,000 deep": b'{"a":' * 150_000,
    "5,000 digits": b'{"category": ' + b"9" * 5_000 + b"}",
    "half an object": b'{"case_no": "NYCC0',
    "a lone surrogate": b'{"category": "\\ud800"}',
}
HEADERS: dict[str, dict[str, bytes | None]] = {
    "department:ce_source": {"ce_source": b"/justice/cases"},
    "characters:ce_id": {"ce_id": b"\xff\xfe"},
    "required:ce_id": {"ce_id": None},
    "version:ce_specversion": {"ce_specversion": b"0.3"},
    "major_version:ce_dataschema": {"ce_dataschema": b"urn:commonweal:" + DATASET.encode() + b":7.0.0"},
    "event_type:ce_type": {"ce_type": DATASET.encode() + b".deleted"},
    "horizon:ce_time": {"ce_time": (datetime.now(UTC) + timedelta(days=4_000)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()},
    "retention:ce_time": {"ce_time": b"1999-01-01T00:00:00Z"},
    "media_type:content-type": {"content-type": b"text/csv"},
}
"""By reason, what is changed of good headers; the value is good."""


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts") / "schemas"
    with copied_contracts(stack.settings, folder, NAME) as opened:
        yield opened


@pytest.fixture(scope="module")
def contract(ports):
    return ports.contract(DATASET)


@pytest.fixture(scope="module")
def landed(ports, contract):
    """All records in one batch between two good ones; returns the landed rows by offset."""
    numbers = range(len(VALUES) + len(UNREADABLE) + len(HEADERS))
    changes = [*({} for _ in (*VALUES, *UNREADABLE)), *HEADERS.values()]
    values = [*VALUES.values(), *UNREADABLE.values(), *(orjson.dumps(GOOD) for _ in HEADERS)]
    with bus.producer(ports.settings, "dept-hotline") as producer:
        send(producer, contract, headers(contract, "first"), orjson.dumps(GOOD))
        for number, changed, value in zip(numbers, changes, values, strict=True):
            kept = {name: text for name, text in (headers(contract, f"bad-{number}") | changed).items() if text is not None}
            send(producer, contract, kept, value)
        send(producer, contract, {}, orjson.dumps(GOOD))  # no headers
        send(producer, contract, headers(contract, "tombstone"), None)
        send(producer, contract, headers(contract, "last"), orjson.dumps({**GOOD, "case_no": "NYCC00000002"}))
        producer.flush()
    assert run_with(ports, "land", DATASET)["outcome"] == "done"
    rows = ports.spark.table(landing_table(contract).sql).orderBy("_kafka_offset").collect()
    return {row["_kafka_offset"]: row for row in rows}


def headers(contract, event_id: str) -> dict[str, bytes | None]:
    return dict(Sent(event_id, "recorded", None, RECORDED, GOOD).headers(contract))


def send(producer, contract, given: dict[str, bytes], value: bytes | None) -> None:
    producer.send(contract.topic, key=b"k", value=value, headers=list(given.items()), partition=0)


def test_each_record_lands_and_only_the_good_ones_are_accepted(landed):
    assert sorted(landed) == list(range(len(VALUES) + len(UNREADABLE) + len(HEADERS) + 4))
    assert [row["_event_id"] for row in landed.values() if row["_accepted"]] == ["first", "last"]


def test_each_says_what_is_wrong_with_it(landed):
    expected = [*VALUES, *UNREADABLE, *HEADERS]
    for offset, reason in enumerate(expected, start=1):
        found = landed[offset]["_reasons"]
        assert reason in found or (reason in UNREADABLE and found), (reason, found)
    assert "required:ce_source" in landed[len(expected) + 1]["_reasons"]
    assert "empty:_document" in landed[len(expected) + 2]["_reasons"]


def test_each_is_kept_whole_and_no_reason_holds_a_value(landed):
    rejected = [row for row in landed.values() if not row["_accepted"]]
    assert all(row["_sealed"] for row in rejected)
    words = " ".join(reason for row in rejected for reason in row["_reasons"])
    assert not any(value in words for value in ("NYCC", "9901011990", "a list", "justice"))


def test_the_accounting_adds_up_and_the_dataset_goes_on(ports, contract, landed):
    assert run_with(ports, "clean", DATASET)["outcome"] == "done"
    books = Counting(contract, read_candidate(ports.engine, DATASET), None, ports.spark, ports.engine).accounting()
    assert (books.offsets, books.landed, books.accepted, books.rejected) == (len(landed), len(landed), 2, len(landed) - 2)
    assert books.live == 2


def test_what_is_too_large_is_refused_by_the_broker_and_the_next_event_lands(ports, contract, landed):
    """2 MiB as they are, and 50 MB of zeros that pack into less than the bound."""
    for compression, size in ((None, 2 * MAX_MESSAGE_BYTES), ("gzip", 50_000_000)):
        with bus.producer(ports.settings, "dept-hotline", compression_type=compression, max_request_size=100_000_000) as producer:
            sent = producer.send(contract.topic, key=b"k", value=b"0" * size, headers=[("ce_id", b"huge")], partition=0)
            with pytest.raises((kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)):
                sent.get(timeout=60)
    with bus.producer(ports.settings, "dept-hotline") as producer:
        send(producer, contract, headers(contract, "after"), orjson.dumps({**GOOD, "case_no": "NYCC00000003"}))
        producer.flush()
    assert run_with(ports, "land", DATASET)["accepted"] == 1
