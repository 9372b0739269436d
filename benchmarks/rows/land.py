"""P2: events from Kafka into landing, checked, pseudonymised and counted; beside Spark that only parses them."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count

import orjson
import psutil
import pyarrow as pa

from benchmarks import cases
from benchmarks.exports import commonweal, ends_of, produce
from benchmarks.measure import LOOK_SECONDS, MIB, Measured, measure
from benchmarks.results import OURS, TIMES, Result, largest
from benchmarks.servers import environment, lakehouse, make_table, pids, scratch
from commonweal.lake.names import landing_table
from commonweal.ports import Ports
from commonweal.render.lake_schema import PLACE_COLUMNS, fields_schema, landing_schema
from infra.demo.town import CASES

ROW, SIZE, RUNS = "P2", 100_000, 5
SPEED, EVENTS_A_SECOND, WORKER_MIB = 1.2, 60_000, 512
WARM = 20_000
WORKER, LANDED_BYTES, MESSAGE_BYTES = (
    "the largest Python worker, MiB",
    "bytes of an event in landing",
    "bytes of an event in Kafka",
)
PEERS = {"batch": "Spark, from_json into Iceberg", "stream": "Structured Streaming, the same"}
COMPARED = ("case_no", "programme_code", "opened_on", "changed_on", "monthly_amount_cny", "paid_through_on", "area_code")


@dataclass
class Workers:
    """What was seen of Python workers while a program ran: the most memory that one of them had, in MiB."""

    largest_mib: float = 0.0


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Send the same messages again and again, and let each of us land them, in turn; in the end ten times as many."""
    with lakehouse() as ports:
        folder, landing = scratch(ports.settings), _Landing(ports)
        for name, much in (("warm", WARM), ("messages", size)):
            cases.write_messages(folder / f"{name}.jsonl", much)
        tell(f"{ROW}: warming up")
        landing.turn("warm")
        found: dict[str, list[Measured]] = {name: [] for name in (OURS, *PEERS)}
        for number in range(runs):
            tell(f"{ROW}: run {number + 1} of {runs}")
            for name, measured in landing.turn("messages").items():
                found[name].append(measured)
        same, tenfold = landing.is_equal(size), dict[str, Measured]()
        if runs > 1:
            tell(f"{ROW}: {TIMES} times as many")
            cases.write_messages(folder / "large.jsonl", size * TIMES)
            tenfold = landing.turn("large")
            same = landing.is_equal(size * TIMES) and same
        sent = (folder / "messages.jsonl").stat().st_size / size
        figures = {WORKER: landing.workers.largest_mib, LANDED_BYTES: landing.bytes(), MESSAGE_BYTES: sent}
        return _result(size, found, tenfold, figures, is_equal=same)


class _Landing:
    """A topic, our landing table, and a table for each peer and turn."""

    def __init__(self, ports: Ports) -> None:
        self.workers = Workers()
        self._ports, self._contract, self._turns = ports, ports.contract(CASES), count()
        self._seen: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._tables: dict[str, str] = {}

    def turn(self, messages: str) -> dict[str, Measured]:
        """Send a file of messages, and let each land them."""
        found, number = {OURS: self._ours(messages)}, next(self._turns)
        landing = landing_schema(self._contract)
        schema = pa.schema([*(landing.field(name) for name in PLACE_COLUMNS), *fields_schema(self._contract)])
        start, end = (orjson.dumps({self._contract.topic: offsets}).decode() for offsets in self._seen)
        folder, run_dir = scratch(self._ports.settings), self._ports.settings.run_dir
        for how in PEERS:
            self._tables[how] = make_table(self._ports, f"{how}_{number}", schema)
            checkpoint = str(folder / f"checkpoint_{number}")
            argv = [sys.executable, "-m", "benchmarks.peers.land", how, CASES, self._tables[how], start, end, checkpoint]
            found[how] = measure(argv, environment(run_dir), folder / f"{how}.log", servers=pids(run_dir))
        return found

    def _ours(self, messages: str) -> Measured:
        """Send a file of messages, and land it."""
        settings = self._ports.settings
        folder, surroundings = scratch(settings), environment(settings.run_dir)
        start = ends_of(settings, CASES)
        measure(produce(folder / f"{messages}.jsonl", self._contract), surroundings, folder / "produce.log")
        self._seen = (_named(start), _named(ends_of(settings, CASES)))
        services = pids(settings.run_dir)
        with _watched(services["spark"], self.workers):
            return measure(commonweal("run", "land", CASES), surroundings, folder / "ours.log", servers=services)

    def bytes(self) -> float:
        """What an event takes in our landing table."""
        snapshot = self._ports.lake.load_table(landing_table(self._contract).parts).current_snapshot()
        counted = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
        return int(counted["total-files-size"]) / int(counted["total-records"])

    def is_equal(self, size: int) -> bool:
        """Whether the last turn left the same rows with each, and all of them."""
        content = f"count(*), sum(crc32(cast(concat_ws('|', {', '.join(COMPARED)}) as binary)))"
        newest = " or ".join(f"_kafka_partition = {part} and _kafka_offset >= {first}" for part, first in self._seen[0].items())
        where = {landing_table(self._contract).sql: f"_accepted and ({newest})"} | dict.fromkeys(self._tables.values(), "true")
        asked = [f"select {content} from {table} where {which}" for table, which in where.items()]
        rows = {tuple(self._ports.spark.sql(query).collect()[0]) for query in asked}
        return len(rows) == 1 and next(iter(rows))[0] == size


def _named(offsets: dict[int, int]) -> dict[str, int]:
    """Offsets as JSON has them."""
    return {str(partition): offset for partition, offset in offsets.items()}


@contextmanager
def _watched(spark: int, workers: Workers) -> Iterator[None]:
    over = threading.Event()
    looking = threading.Thread(target=_look, args=(spark, workers, over), daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()


def _look(spark: int, workers: Workers, over: threading.Event) -> None:
    """Spark's Python workers are children of the daemon that it starts."""
    while not over.wait(LOOK_SECONDS):
        with suppress(psutil.NoSuchProcess):
            for daemon in psutil.Process(spark).children():
                for worker in daemon.children():
                    with suppress(psutil.NoSuchProcess):
                        workers.largest_mib = max(workers.largest_mib, worker.memory_full_info().pss / MIB)


def _result(
    size: int, found: dict[str, list[Measured]], tenfold: dict[str, Measured], figures: dict[str, float], *, is_equal: bool
) -> Result:
    peers = {PEERS[name]: tuple(found[name]) for name in PEERS}
    times = largest(found, tenfold)
    speed, rate = min(times[name] for name in PEERS) / times[OURS], size * (TIMES if tenfold else 1) / times[OURS]
    return Result(
        row=ROW,
        work="land: decode, check with all errors, pseudonymise, seal, commit with offsets (servers are in the figures)",
        size=size,
        unit="events",
        ours=tuple(found[OURS]),
        peers=peers,
        is_equal=is_equal,
        tenfold={PEERS.get(name, name): run for name, run in tenfold.items()},
        figures={"events a second, the largest run": rate, **figures},
        reach=f"at least {SPEED} of the faster peer's speed, {EVENTS_A_SECOND:,} events/s, workers of at most {WORKER_MIB} MiB",
        is_reached=is_equal and speed >= SPEED and rate >= EVENTS_A_SECOND and figures[WORKER] <= WORKER_MIB,
    )
