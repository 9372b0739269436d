"""Publishing to a running broker, and reading back what landing reads: every event accepted, and once however often sent."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from kafka import TopicPartition

from commonweal import bus
from commonweal.contract.loader import load_contract
from commonweal.decoding import BatchDecoder
from commonweal.errors import ConfigError, ContractError, TransientError
from commonweal.identity import Sealer, ensure_keys, load_pseudonymiser, load_public_key
from commonweal.settings import Settings
from streams.publish import Request, publish
from streams.publishing.event import Event, Origin
from streams.publishing.lanes import Target, send
from streams.publishing.sending import IN_FLIGHT, Acknowledgements
from streams.publishing.spool import Spool, spool

DATASET = "access_guest.service_request"
HEADER = "unique_key,account,opendate,closedate,complaint_type,descriptor,zip,borough,city,council_dist,community_board"


def an_export(path: Path, rows: int, bad: int = 0) -> Path:
    good = [f"NYCC01{number:06d},NYCC01,2025-01-01,,Noise,,,,,," for number in range(rows - bad)]
    path.write_text("\n".join([HEADER, *good, *(f"NYCC02{number:06d},NYCC02,yesterday,,,,,,,," for number in range(bad))]))
    return path


def landed(settings: Settings, keys: Path) -> list[dict]:
    """Every record of the topic as landing rows."""
    contract = load_contract(settings.schemas_dir, DATASET)
    ensure_keys(keys)
    sealer = Sealer(load_public_key(keys), DATASET)
    decoder = BatchDecoder(contract, load_pseudonymiser(keys), sealer)
    return decoder.decode(_records(settings, contract.topic)).to_pylist()


def places(rows: list[dict]) -> set[tuple[int, int]]:
    return {(row["_kafka_partition"], row["_kafka_offset"]) for row in rows}


def _records(settings: Settings, topic: str) -> pa.RecordBatch:
    with bus.consumer(settings, "landing") as consumer:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found = []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(timeout_ms=1000).values():
                found += records
    headers = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
    columns = {
        "_kafka_topic": pa.array([record.topic for record in found], pa.string()),
        "_kafka_partition": pa.array([record.partition for record in found], pa.int32()),
        "_kafka_offset": pa.array([record.offset for record in found], pa.int64()),
        "_appended_at": pa.array([record.timestamp * 1000 for record in found], pa.int64()).cast(pa.timestamp("us", "UTC")),
        "headers": pa.array([[{"key": name, "value": value} for name, value in record.headers] for record in found], headers),
        "key": pa.array([record.key for record in found], pa.binary()),
        "value": pa.array([record.value for record in found], pa.binary()),
    }
    return pa.RecordBatch.from_pydict(columns)


def test_what_is_published_is_accepted_and_twice_adds_nothing(guest, tmp_path):
    settings = guest.model_copy(update={"run_dir": tmp_path / "run"})
    request = Request(file=str(an_export(tmp_path / "export.csv", 400, bad=3)), dataset=DATASET, source="/access_guest/offices")
    before = places(landed(settings, tmp_path / "keys"))
    outcome = publish(request, settings)
    assert (outcome.outcome, outcome.rows, outcome.bad, outcome.sent) == ("published", 400, 3, 397)
    first = [row for row in landed(settings, tmp_path / "keys") if not places([row]) & before]
    assert len(first) == 397
    assert all(row["_accepted"] for row in first) and {row["_source"] for row in first} == {"/access_guest/offices"}
    assert publish(request, settings).outcome == "already published"
    assert publish(Request(**{**request.__dict__, "again": True}), settings).sent == 397
    rows = [row for row in landed(settings, tmp_path / "keys") if not places([row]) & before]
    assert len(rows) == 2 * 397
    own = [name for name in rows[0] if not name.startswith("_")]
    assert len({(row["_source"], row["_event_id"], *(row[name] for name in own)) for row in rows}) == 397
    assert [path.name for path in (tmp_path / "run" / "publish" / "access_guest").iterdir()] == ["journal.sqlite"]


def test_a_dry_run_and_too_many_bad_rows_send_nothing(guest, tmp_path):
    settings = guest.model_copy(update={"run_dir": tmp_path / "run"})
    before = len(landed(settings, tmp_path / "keys"))
    publish(Request(file=str(an_export(tmp_path / "good.csv", 10)), dataset=DATASET, dry_run=True), settings)
    with pytest.raises(ContractError, match="nothing was sent"):
        publish(Request(file=str(an_export(tmp_path / "bad.csv", 10, bad=5)), dataset=DATASET), settings)
    assert len(landed(settings, tmp_path / "keys")) == before


def test_a_wrong_password_is_said_at_once(guest, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "kafka-dept-access_guest").touch(mode=0o600)
    (secrets / "kafka-dept-access_guest").write_text("wrong")
    settings = guest.model_copy(update={"run_dir": tmp_path / "run", "secrets_dir": secrets})
    with pytest.raises(ConfigError, match="password"):
        publish(Request(file=str(an_export(tmp_path / "export.csv", 10)), dataset=DATASET), settings)


@pytest.fixture
def large(guest, tmp_path) -> Iterator[tuple[Spool, Target]]:
    """More events than are ever on their way at once, of a few keys."""
    contract = load_contract(guest.schemas_dir, DATASET)
    origin = Origin("/access_guest", "recorded", "2025-01-02T00:00:00Z", None, b"k" * 32)
    with spool(tmp_path / "spool") as waiting:
        for number in range(3 * IN_FLIGHT):
            waiting.writers[0].add(Event(f"key-{number % 40}", f"large-{number:06d}", "recorded", None, '{"no": "document"}'))
        yield waiting, Target(contract, origin, guest)


def test_lanes_send_each_event_once_and_those_of_a_key_in_order(guest, large):
    waiting, target = large
    assert all(lane.size for lane in waiting.lanes)
    before, told = _ends(guest, target.contract.topic), []
    found = send(waiting, target, told.append, many=1)
    assert found == Acknowledgements(written=3 * IN_FLIGHT)
    assert sum(told) == 3 * IN_FLIGHT
    assert len(told) > len(waiting.lanes), "progress is told while events are sent"
    sent: dict[bytes, list[tuple[int, int, bytes]]] = {}
    with bus.consumer(guest, "landing") as consumer:
        for partition, number in before.items():
            at = TopicPartition(target.contract.topic, partition)
            consumer.assign([at])
            consumer.seek(at, number)
            end = consumer.end_offsets([at])[at]
            while consumer.position(at) < end:
                for record in consumer.poll(timeout_ms=500).get(at, []):
                    sent.setdefault(record.key, []).append((partition, record.offset, dict(record.headers)["ce_id"]))
    assert len(sent) == 40
    assert sum(map(len, sent.values())) == 3 * IN_FLIGHT
    for events in sent.values():
        assert len({partition for partition, _, _ in events}) == 1
        assert [event_id for _, _, event_id in sorted(events)] == sorted(event_id for _, _, event_id in events)


def test_a_lane_that_dies_is_told_and_none_outlives_the_sending(large):
    def kill(_count: int) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    found = send(*large, kill, many=1)
    assert not found.are_complete
    assert found.written + found.unknown == 3 * IN_FLIGHT
    assert isinstance(found.cause, TransientError)
    assert multiprocessing.active_children() == []


def test_a_lane_that_can_not_sign_in_says_why(large, tmp_path):
    waiting, target = large
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "kafka-dept-access_guest").touch(mode=0o600)
    (secrets / "kafka-dept-access_guest").write_text("wrong")
    wrong = target._replace(settings=target.settings.model_copy(update={"secrets_dir": secrets}))
    with pytest.raises(ConfigError, match="password"):
        send(waiting, wrong, lambda _: None, many=1)
    assert multiprocessing.active_children() == []


def _ends(settings: Settings, topic: str) -> dict[int, int]:
    with bus.admin(settings, "landing") as client:
        return bus.end_offsets(client, [topic])[topic]
