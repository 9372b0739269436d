"""P1: a department's export becomes events, checked and acknowledged; beside kafka-python sending the same messages unchecked."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from kafka import TopicPartition

from benchmarks.exports import EXPORTED_AT, HOTLINE, commonweal, ends_of, produce, write_messages, write_requests
from benchmarks.measure import Measured, measure
from benchmarks.results import Result, seconds
from benchmarks.servers import environment, scratch, stores
from commonweal import bus
from commonweal.apply import apply
from commonweal.contract.loader import load_contract
from commonweal.settings import Settings

ROW, SIZE, RUNS = "P1", 1_000_000, 5
REACH = 0.8


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Publish and send in turn, on the same broker, to the same topic."""
    with stores() as settings:
        apply(settings, only=["kafka"])
        folder, contract = scratch(settings), load_contract(settings.schemas_dir, HOTLINE)
        export, messages = folder / "export.csv", folder / "messages.jsonl"
        made = write_requests(export, size)
        write_messages(export, messages, contract, settings)
        ours, peers, ends = [], [], [ends_of(settings, HOTLINE)]
        for number in range(runs):
            tell(f"{ROW}: run {number + 1} of {runs}")
            ours.append(measure(our_command(export), environment(settings.run_dir), folder / "ours.log"))
            ends.append(ends_of(settings, HOTLINE))
            peers.append(measure(produce(messages, contract), environment(settings.run_dir), folder / "peer.log"))
            ends.append(ends_of(settings, HOTLINE))
        same = content(settings, ends[0], ends[1]) == content(settings, ends[1], ends[2])
        return _result(size, (tuple(ours), tuple(peers)), is_equal=same, made=made)


def our_command(export: Path) -> list[str]:
    """What a department types; the same file is sent again, or the second run would send nothing."""
    return commonweal("publish", str(export), "--dataset", HOTLINE, "--exported-at", EXPORTED_AT, "--again")


def content(settings: Settings, start: dict[int, int], end: dict[int, int]) -> tuple[int, int]:
    """How many records stand between two ends, and a sum over the digests of all of them: the same for the same set."""
    digests = [int.from_bytes(digest[:16]) for digest in _digests(settings, start, end)]
    return len(digests), sum(digests)


def _digests(settings: Settings, start: dict[int, int], end: dict[int, int]) -> Iterator[bytes]:
    topic = load_contract(settings.schemas_dir, HOTLINE).topic
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
    return Result(
        row=ROW,
        work="publish: check an export, send it, wait for every acknowledgement",
        size=size,
        unit="events",
        ours=ours,
        peers={"kafka-python alone, the same messages": peers},
        is_equal=is_equal,
        figures={"bytes of export": made, "events a second": size / seconds(ours)},
        reach=f"at least {REACH} of the peer's speed; flat memory",
        is_reached=is_equal and seconds(peers) / seconds(ours) >= REACH,
    )
