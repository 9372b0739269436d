"""P7: how soon an event can be read in a release, while events keep coming at a steady rate, on a whole stack."""

import math
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import orjson
import psutil
from kafka.producer.future import RecordMetadata
from rich.console import Console
from sqlalchemy import Engine, text

from benchmarks.exports import HOTLINE, write_messages, write_requests
from benchmarks.measure import Times, cpu_seconds, flight, recording, spent_since, thread_times, times
from benchmarks.results import Result
from benchmarks.sampling import attached
from benchmarks.servers import pids, run_folder, scratch
from benchmarks.steps import lengths
from commonweal import bus
from commonweal.database import database_now
from commonweal.lake.releases import current_release
from commonweal.offsets import Offsets, from_json
from commonweal.ports import Ports, open_ports
from infra.stack.board import Board
from infra.stack.bring_up import bring_up
from streams.publishing.sending import principal

ROW, SIZE, RUNS = "P7", 60_000, 1
RATE, LINGER_MS = 100.0, 5
WARM_UPS = (20_000, 1_000)
"""A first release, so large that no later one grows beyond the contract's bound; then one like the later ones."""
LOOK_SECONDS, CPU_SECONDS, PATIENCE_SECONDS, WARM_UP_SECONDS = 0.25, 5.0, 120.0, 600.0
"""Between two looks at the release and at what Spark used, which costs the looking more; and how long to wait for a release."""
MIDDLE = "freshness p50, s"
LAG = "freshness p50 of the last fifth as a share of the first fifth's"
LIMITS = {MIDDLE: 10.0, "freshness p99, s": 25.0, LAG: 1.2}
SPARK, SCHEDULER = "spark", "airflow-scheduler"
COMPILERS, COMPILING = ("C1 Compiler", "C2 Compiler"), "spark's Java compiling"
LAST = text("select step, outcome, message from attempt where dataset = :dataset order by started_at desc limit 1")


class Acknowledged(NamedTuple):
    """An event that the broker has: where it stands, and when its acknowledgement came."""

    partition: int
    offset: int
    at: float


class Seen(NamedTuple):
    """A release: its number, up to which offsets it holds events, and when it was seen first."""

    number: int
    ends: Offsets
    at: float


class Cpu:
    """CPU seconds of a stack from now on, by who used them.

    Whoever starts processes waits for them, so that the kernel adds up what they used, but for pyspark's daemon and for threads
    of compilers, which come and go: what these used is seen at each look.
    """

    def __init__(self, run_dir: Path) -> None:
        self._pids = pids(run_dir)
        self._spark = self._pids.pop(SPARK)
        self._began = self._looked = time.monotonic()
        self._before = self._others()
        self._first = self._spark_times()
        self._seen: Times = dict(self._first)

    def look(self) -> None:
        """Note every few seconds what Spark's processes have used by now."""
        if time.monotonic() - self._looked >= CPU_SECONDS:
            self._note()

    def figures(self) -> dict[str, float]:
        """CPU seconds a second since the beginning, of all and then by service, the largest first."""
        self._note()
        spent = {name: found - self._before[name] for name, found in self._others().items()}
        spent |= spent_since(self._first, self._seen)
        all_of_it = sum(spent.values()) - spent[COMPILING]  # which is part of Spark's
        ordered = sorted(spent.items(), key=lambda item: -item[1])
        seconds = time.monotonic() - self._began
        return {f"CPU of {name}, s a second": found / seconds for name, found in (("the whole stack", all_of_it), *ordered)}

    def _note(self) -> None:
        self._seen |= self._spark_times()
        self._looked = time.monotonic()

    def _spark_times(self) -> Times:
        return times({SPARK: self._spark}) | thread_times(self._spark, COMPILERS, COMPILING)

    def _others(self) -> dict[str, float]:
        """So far, by service; the scheduler's tasks are none of its own work."""
        found = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        own = sum(psutil.Process(self._pids[SCHEDULER]).cpu_times()[:2])
        return found | {SCHEDULER: own, "airflow's tasks": found[SCHEDULER] - own}


@dataclass
class Reader:
    """Somebody who looks again and again which release can be read.

    Attributes:
        ports: The stack.
        cpu: Looks as often.
        seen: The releases, oldest first; the first is the one that was there before.
    """

    ports: Ports
    cpu: Cpu
    seen: list[Seen] = field(default_factory=list)

    def look(self) -> None:
        """Wait a moment, and look."""
        time.sleep(LOOK_SECONDS)
        release, at = current_release(self.ports.engine, HOTLINE), time.monotonic()
        if release and (not self.seen or self.seen[-1].number != release.number):
            topic = self.ports.contract(HOTLINE).topic
            self.seen.append(Seen(release.number, from_json(release.offsets.get(topic, {})), at))
        self.cpu.look()

    def holds(self, ends: Offsets) -> bool:
        """Whether the newest release holds everything below these offsets."""
        return bool(self.seen) and all(self.seen[-1].ends.get(partition, 0) >= end for partition, end in ends.items())


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Warm a stack up, publish, and look when each event can be read."""
    del runs
    with _stack() as ports, _messages(ports, sum(WARM_UPS) + size) as messages:
        for events in WARM_UPS:
            tell(f"{ROW}: {events:,} events to warm up")
            _follow(_reader(ports), islice(messages, events), rate=math.inf, patience=WARM_UP_SECONDS)
        tell(f"{ROW}: {size:,} events, {RATE:g} a second")
        began, reader = database_now(ports.engine), _reader(ports)
        with _profiled(ports.settings.run_dir):
            acknowledged = _follow(reader, islice(messages, size), rate=RATE, patience=PATIENCE_SECONDS)
        cpu, lags, hops = reader.cpu.figures(), _lags(acknowledged, reader.seen), lengths(ports, HOTLINE, began)
        named = {f"{step}, s": length for step, length in hops.items()}
        rest = {"waiting and scheduling, what these leave of p50, s": lags[MIDDLE] - sum(hops.values())}
        return _result(size, lags | _pace(acknowledged, reader.seen) | named | rest | cpu)


@contextmanager
def _stack() -> Iterator[Ports]:
    """A whole stack, with every contract applied, that starts its runs by itself."""
    with run_folder() as folder:
        settings = bring_up(folder, {}, Board(Console(stderr=True)))
        with closing(open_ports(settings)) as ports:
            yield ports


@contextmanager
def _profiled(run_dir: Path) -> Iterator[None]:
    """Where a profile is wanted, record Spark, and the scheduler with its tasks."""
    found = pids(run_dir)
    where = recording("airflow", "txt")
    with flight(found, "stack"), attached(found[SCHEDULER], where) if where else nullcontext():
        yield


@contextmanager
def _messages(ports: Ports, count: int) -> Iterator[Iterator[bytes]]:
    """The messages of so many requests, each of another case."""
    folder, contract = scratch(ports.settings), ports.contract(HOTLINE)
    export, messages = folder / "export.csv", folder / "messages.jsonl"
    write_requests(export, count + count // 20)  # publishing keeps bad rows back
    write_messages(export, messages, contract, ports.settings)
    with messages.open("rb") as lines:
        if (good := sum(1 for _ in lines)) < count:
            raise RuntimeError(f"the export has {good:,} good rows, and {count:,} are to be sent")
        lines.seek(0)
        yield lines


def _reader(ports: Ports) -> Reader:
    return Reader(ports, Cpu(ports.settings.run_dir))


def _follow(reader: Reader, messages: Iterator[bytes], *, rate: float, patience: float) -> list[Acknowledged]:
    """Publish, and look until a release holds all that was published.

    Raises:
        RuntimeError: No release holds it ``patience`` seconds after the last event.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_publish, reader.ports, messages, rate, stop)
        try:
            while not sending.done():
                reader.look()
            ends, until = _ends(sending.result()), time.monotonic() + patience
            while not reader.holds(ends):
                if time.monotonic() > until:
                    raise RuntimeError(_why_not(reader.ports.engine, patience))
                reader.look()
        finally:
            stop.set()
    return sending.result()


def _publish(ports: Ports, messages: Iterable[bytes], rate: float, stop: threading.Event) -> list[Acknowledged]:
    """Send at a rate, each event when its time has come; those that come late are caught up."""
    contract = ports.contract(HOTLINE)
    acknowledged: list[Acknowledged] = []
    failures: list[BaseException] = []

    def note(sent: RecordMetadata) -> None:
        acknowledged.append(Acknowledged(sent.partition, sent.offset, time.monotonic()))

    with bus.producer(ports.settings, principal(contract), linger_ms=LINGER_MS) as producer:
        began = time.monotonic()
        for number, line in enumerate(messages):
            if stop.wait(max(0.0, began + number / rate - time.monotonic())):
                break
            headers, key, value = orjson.loads(line)
            pairs = [(name, content.encode()) for name, content in headers]
            answer = producer.send(contract.topic, value.encode(), key.encode(), pairs)
            answer.add_callback(note).add_errback(failures.append)
        producer.flush(timeout=PATIENCE_SECONDS)
    if failures:
        raise RuntimeError(f"{len(failures)} events were not written: {type(failures[0]).__name__}")
    return acknowledged


def _ends(acknowledged: Iterable[Acknowledged]) -> Offsets:
    ends: Offsets = {}
    for event in acknowledged:
        ends[event.partition] = max(ends.get(event.partition, 0), event.offset + 1)
    return ends


def _why_not(engine: Engine, patience: float) -> str:
    """The stack is gone afterwards, so the message holds what its last step said."""
    with engine.begin() as connection:
        row = connection.execute(LAST, {"dataset": HOTLINE}).first()
    last = f"the last step was {row.step}: {row.outcome or 'not ended'} {row.message or ''}" if row else "no step ever ran"
    return f"no release holds all events {patience:.0f} s after the last one; {last}"


def _lags(acknowledged: Iterable[Acknowledged], seen: list[Seen]) -> dict[str, float]:
    """From each event's acknowledgement to the first look at a release that holds it."""
    events = sorted(acknowledged, key=lambda event: event.at)
    ends = {partition: [release.ends.get(partition, 0) for release in seen] for partition in _ends(events)}
    lags = [seen[bisect_right(ends[event.partition], event.offset)].at - event.at for event in events]
    ordered, fifth = sorted(lags), max(1, len(lags) // 5)
    shares = {name: ordered[math.ceil(share * len(ordered)) - 1] for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    first, last = median(lags[:fifth]), median(lags[-fifth:])
    return {
        **{f"freshness {name}, s": found for name, found in shares.items()},
        "freshness at most, s": ordered[-1],
        "freshness p50 of the first fifth, s": first,
        "freshness p50 of the last fifth, s": last,
        LAG: last / first,
    }


def _pace(acknowledged: list[Acknowledged], seen: list[Seen]) -> dict[str, float]:
    """How many events there were, how fast they came, and how often there was a release."""
    moments = [event.at for event in acknowledged]
    releases = seen[-1].number - seen[0].number
    return {
        "events": len(moments),
        "events acknowledged a second": len(moments) / (max(moments) - min(moments)),
        "releases": releases,
        "from release to release, s": (seen[-1].at - min(moments)) / releases,
    }


def _result(size: int, figures: dict[str, float]) -> Result:
    return Result(
        row=ROW,
        work=f"freshness: from an event's acknowledgement to a release that holds it, at {RATE:g} events a second",
        size=size,
        unit="events",
        figures=figures,
        reach=", ".join(f"{name} at most {limit:g}" for name, limit in LIMITS.items()),
        is_reached=all(figures[name] <= limit for name, limit in LIMITS.items()),
    )
