"""P1: a department's export becomes events, checked and acknowledged; beside kafka-python sending the same messages unchecked."""

import csv
import gzip
import hashlib
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import orjson
from kafka import TopicPartition

from benchmarks.measure import Measured, measure
from benchmarks.results import Result
from benchmarks.servers import environment, stores
from commonweal import bus
from commonweal.apply import apply
from commonweal.contract.loader import load_contract
from commonweal.settings import ROOT, Settings
from streams.publish import publishing_secret
from streams.publishing.checking import Checker
from streams.publishing.event import Origin
from streams.publishing.exports import look, rows

ROW, SIZE, RUNS = "P1", 1_000_000, 5
DATASET, PRINCIPAL = "hotline.service_request", "dept-hotline"
EXPORT = ROOT / "infra" / "demo" / "data" / "constituent_services.csv.gz"
EXPORTED_AT = "2025-08-01T00:00:00Z"
REACH = 0.8


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Publish and send in turn, on the same broker, to the same topic."""
    with stores() as settings:
        apply(settings, only=["kafka"])
        folder = settings.run_dir / "bench"
        folder.mkdir()
        export, messages = folder / "export.csv", folder / "messages.jsonl"
        made = write_export(export, size)
        write_messages(export, messages, settings)
        ours, peers, ends = [], [], [ends_of(settings)]
        for number in range(runs):
            tell(f"{ROW}: run {number + 1} of {runs}")
            ours.append(measure(our_command(export), environment(settings.run_dir), folder / "ours.log"))
            ends.append(ends_of(settings))
            peers.append(measure(peer_command(messages, settings), environment(settings.run_dir), folder / "peer.log"))
            ends.append(ends_of(settings))
        same = content(settings, ends[0], ends[1]) == content(settings, ends[1], ends[2])
        return _result(size, (tuple(ours), tuple(peers)), is_equal=same, made=made)


def write_export(path: Path, size: int) -> int:
    """The real export again and again, each time with other case numbers; returns the bytes."""
    with gzip.open(EXPORT, "rt", encoding="utf-8-sig", newline="") as file, path.open("w", encoding="utf-8", newline="") as out:
        source = csv.reader(file)
        header = next(source)
        key, found = header.index("unique_key"), list(source)
        writer = csv.writer(out)
        writer.writerow(header)
        for number in range(size):
            row = list(found[number % len(found)])
            row[key] = f"{row[key][:4]}{number:08d}"
            writer.writerow(row)
    return path.stat().st_size


def write_messages(export: Path, messages: Path, settings: Settings) -> None:
    """The messages that publishing sends of the export, one JSON line each: headers, key, value."""
    contract = load_contract(settings.schemas_dir, DATASET)
    secret = publishing_secret(settings, contract.department)
    origin = Origin(f"/{contract.department}", "recorded", EXPORTED_AT, None, secret)
    checker = Checker(contract, origin, datetime.now(UTC))
    with messages.open("wb") as out:
        for row in rows(look(export)):
            event, reasons = checker.check(row)
            if not reasons:
                out.write(orjson.dumps([list(origin.headers(event, contract).items()), event.key, event.value]) + b"\n")


def our_command(export: Path) -> list[str]:
    """What a department types; the same file is sent again, or the second run would send nothing."""
    program = [sys.executable, "-c", "from commonweal.cli import main; main()", "publish", str(export)]
    return [*program, "--dataset", DATASET, "--exported-at", EXPORTED_AT, "--again"]


def peer_command(messages: Path, settings: Settings) -> list[str]:
    """kafka-python alone."""
    topic = load_contract(settings.schemas_dir, DATASET).topic
    return [sys.executable, "-m", "benchmarks.peers.produce", str(messages), topic, PRINCIPAL]


def ends_of(settings: Settings) -> dict[int, int]:
    """The topic's end offsets."""
    topic = load_contract(settings.schemas_dir, DATASET).topic
    with bus.admin(settings, "landing") as client:
        return bus.end_offsets(client, [topic])[topic]


def content(settings: Settings, start: dict[int, int], end: dict[int, int]) -> tuple[int, int]:
    """How many records stand between two ends, and a sum over the digests of all of them: the same for the same set."""
    digests = [int.from_bytes(digest[:16]) for digest in _digests(settings, start, end)]
    return len(digests), sum(digests)


def _digests(settings: Settings, start: dict[int, int], end: dict[int, int]) -> Iterator[bytes]:
    topic = load_contract(settings.schemas_dir, DATASET).topic
    with bus.consumer(settings, "landing") as consumer:
        parts = {number: TopicPartition(topic, number) for number in end}
        consumer.assign(list(parts.values()))
        for number, part in parts.items():
            consumer.seek(part, start.get(number, 0))
        while any(consumer.position(parts[number]) < end[number] for number in end):
            for part, records in consumer.poll(timeout_ms=1000, max_records=20_000).items():
                for record in records:
                    if record.offset < end[part.partition]:
                        headers = b"\0".join(name.encode() + b"=" + (value or b"") for name, value in record.headers)
                        yield hashlib.sha256(b"\1".join((record.key, record.value, headers))).digest()


def _result(size: int, runs: tuple[tuple[Measured, ...], tuple[Measured, ...]], *, is_equal: bool, made: int) -> Result:
    ours, peers = runs
    share = median(run.seconds for run in peers) / median(run.seconds for run in ours)
    return Result(
        row=ROW,
        work="publish: check an export, send it, wait for every acknowledgement",
        peer="kafka-python alone, the same messages",
        size=size,
        unit="events",
        ours=ours,
        peers=peers,
        is_equal=is_equal,
        figures={"bytes of export": made, "events a second": size / median(run.seconds for run in ours)},
        reach=f"at least {REACH} of the peer's speed; flat memory",
        is_reached=is_equal and share >= REACH,
    )
