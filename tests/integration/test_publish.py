"""Publishing to a running broker, and reading back what landing reads: every event accepted, and once however often sent."""

from pathlib import Path

import pyarrow as pa
import pytest
from kafka import TopicPartition

from commonweal import bus
from commonweal.contract.loader import load_contract
from commonweal.decoding import decode
from commonweal.errors import ConfigError, ContractError
from commonweal.identity import Sealer, ensure_keys, load_pseudonymiser, load_public_key
from commonweal.settings import Settings
from streams.publish import Request, publish

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
    return decode(
        _records(settings, contract.topic), contract=contract, pseudonymiser=load_pseudonymiser(keys), sealer=sealer
    ).to_pylist()


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
