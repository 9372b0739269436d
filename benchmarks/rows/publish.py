"""P1: a department's export becomes events, checked and acknowledged; beside kafka-python sending the same messages unchecked."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kafka import TopicPartition

from benchmarks.exports import EXPORTED_AT, HOTLINE, commonweal, ends_of, produce, write_messages, write_requests
from benchmarks.measure import Measured, measure
from benchmarks.results import OURS, TIMES, Result
from benchmarks.servers import environment, scratch, stores
from commonweal import bus
from commonweal.apply import apply
from commonweal.contract.loader import load_contract
from commonweal.settings import Settings

ROW, SIZE, RUNS = "P1", 100_000, 5
REACH = 0.8
PEER = "kafka-python alone, the same messages"


@dataclass(frozen=True)
class Turn:
    """One run of each, and whether both left the same messages."""

    ours: Measured
    peer: Measured
    is_same: bool


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Publish and send in turn, on the same broker, to the same topic; in the end ten times as much."""
    with stores() as settings:
        apply(settings, only=["kafka"])
        made, turns = _turns(settings, size, runs, tell), []
        if runs > 1:
            tell(f"{ROW}: {TIMES} times as many")
            turns = _turns(settings, size * TIMES, 1, tell)
        return _result(size, made, turns)


def _turns(settings: Settings, size: int, runs: int, tell: Callable[[str], None]) -> list[Turn]:
    folder, contract = scratch(settings), load_contract(settings.schemas_dir, HOTLINE)
    export, messages = folder / "export.csv", folder / "messages.jsonl"
    write_requests(export, size)
    write_messages(export, messages, contract, settings)
    turns = []
    for number in range(runs):
        tell(f"{ROW}: run {number + 1} of {runs}")
        ends = [ends_of(settings, HOTLINE)]
        ours = measure(our_command(export), environment(settings.run_dir), folder / "ours.log")
        ends.append(ends_of(settings, HOTLINE))
        peer = measure(produce(messages, contract), environment(settings.run_dir), folder / "peer.log")
        ends.append(ends_of(settings, HOTLINE))
        with ProcessPoolExecutor(2) as pool:
            ours_sent, peer_sent = pool.map(content, (settings, settings), ends[:2], ends[1:])
        turns.append(Turn(ours, peer, ours_sent == peer_sent))
    return turns


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


def _result(size: int, turns: list[Turn], large: list[Turn]) -> Result:
    ours, peers, last = tuple(turn.ours for turn in turns), tuple(turn.peer for turn in turns), (large or turns)[-1]
    same, events = all(turn.is_same for turn in (*turns, *large)), size * TIMES if large else size
    return Result(
        row=ROW,
        work="publish: check an export, send it, wait for every acknowledgement",
        size=size,
        unit="events",
        ours=ours,
        peers={PEER: peers},
        is_equal=same,
        tenfold={OURS: last.ours, PEER: last.peer} if large else {},
        figures={"events a second, the largest run": events / last.ours.seconds},
        reach=f"at least {REACH} of the peer's speed; flat memory",
        is_reached=same and last.peer.seconds / last.ours.seconds >= REACH,
    )
