"""What a city needs, ``docs/sizing.md``: computed from what was measured and from assumptions that stand beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.page import table
from benchmarks.results import OURS, TIMES, Result
from benchmarks.rows import clean, day, land

MILLION = 1_000_000
CITIES = (1 * MILLION, 10 * MILLION, 30 * MILLION)
KEYS_A_PERSON, EVENTS_A_YEAR, ROUND_MINUTES, KEPT_DAYS, REPLICAS, BUSY = 2, 10, 15, 30, 3, 0.5
CORES = (2, 8)
WANTED = (land.ROW, clean.ROW, day.ROW)

HEAD = """# How large a machine · 需要多大的机器

<!-- Made by `make bench`; run it instead of editing. -->

For cities of 1, 10 and 30 million people. The first table was measured, see [benchmarks.md](benchmarks.md); the second is
assumed, put your own numbers in its place; the third follows from both. **It goes beyond what was measured where it says so**:
histories longer than the longest measured are taken to cost in proportion. And work is taken to divide among cores, which nobody
has measured here.

按一百万、一千万、三千万人口的城市估算。第一张表为实测，第二张为假设（请换成本地数字），第三张由两者推算；超出实测范围之处已注明。
"""
TAIL = """## How to read it
- **Average cores** say what the work costs. They are few: what a city's people need is small for a lake. What wants more cores is
  the time of one round, and recomputing everything after a contract, the code or a key has changed.
- **Memory**: Spark works in batches, and what doesn't fit goes to disk, so that it follows from the number of cores and not from
  the city. In `infra/kubernetes` an executor of two cores has 4 GiB, and 2 GiB for Python.
- **Three brokers, three machines for executors, four drives** are for staying up, not for speed: `--profile cluster`, or
  [infra/kubernetes](../infra/kubernetes/README.md).
- **Bytes** of landing, current and history are those of made-up rows, which are alike and pack well: real ones take more. A round
  has parts of some seconds that no number of cores makes shorter.
- Each round reads the history of its own dataset only: the third table takes all of a city's data for one dataset.
"""


@dataclass(frozen=True)
class Costs:
    """What was measured.

    Attributes:
        land: CPU seconds for an event.
        message_bytes: What an event takes in Kafka.
        landed_bytes: What it takes in landing.
        state_bytes: What a case takes in current and history.
        rebuild: Seconds for a case when all is recomputed, on ``cores``.
        cases: How many were, at most.
        cores: How many there were.
        rounds: By length of the history, CPU seconds of a round of ``events``.
        events: How many a round had.
        memory: The most MiB that a round took, the servers among them.
    """

    land: float
    message_bytes: float
    landed_bytes: float
    state_bytes: float
    rebuild: float
    cases: int
    cores: int
    rounds: dict[int, float]
    events: int
    memory: float

    def round_cpu(self, keys: int) -> float:
        """CPU seconds of a round on a history: on the line through what was measured."""
        (short, low), (long, high) = sorted(self.rounds.items())
        return low + (high - low) * (keys - short) / (long - short)


def sizing(found: Iterable[tuple[dict[str, Any], Result]]) -> str:
    """The page; without the rows that it needs, it names those that are missing."""
    rows = {result.row: (where, result) for where, result in found}
    if missing := [name for name in WANTED if name not in rows]:
        return f"{HEAD}\nNot yet measured: {', '.join(missing)}.\n"
    costs = _costs(rows)
    lines = [
        HEAD,
        "## Measured",
        "",
        *table(("what", ""), _measured(costs)),
        "",
        "## Assumed",
        "",
        *table(("what", ""), _assumed()),
    ]
    head = ("", *(f"{people // MILLION} million people" for people in CITIES))
    columns = [_city(costs, people) for people in CITIES]
    rest = [(name, *(column[name] for column in columns)) for name in columns[0]]
    return "\n".join([*lines, "", "## What follows", "", *table(head, rest), "", TAIL])


def _costs(rows: Mapping[str, tuple[dict[str, Any], Result]]) -> Costs:
    where, landing = rows[land.ROW]
    cleaning, days = rows[clean.ROW][1], rows[day.ROW][1]
    largest = landing.tenfold.get(OURS) or landing.ours[0]
    events = landing.size * (TIMES if landing.tenfold else 1)
    cases = cleaning.size * (TIMES if cleaning.tenfold else 1)
    lengths = day.lengths_of(days.size)
    return Costs(
        land=largest.cpu_seconds / events,
        message_bytes=landing.figures[land.MESSAGE_BYTES],
        landed_bytes=landing.figures[land.LANDED_BYTES],
        state_bytes=cleaning.figures[clean.STATE_BYTES],
        rebuild=cleaning.figures[clean.from_nothing(cases)] / cases,
        cases=cases,
        cores=int(where["cores"]),
        rounds={length: days.figures[day.cpu_of(length)] for length in lengths},
        events=day.events_of(days.size),
        memory=max(run.peak_mib for run in days.ours),
    )


def _measured(costs: Costs) -> list[tuple[str, str]]:
    rounds = (
        (f"a round of {costs.events:,} events on {length:,} cases, landed to released, CPU s", f"{cpu:,.0f}")
        for length, cpu in sorted(costs.rounds.items())
    )
    return [
        ("an event landed, CPU ms", f"{costs.land * 1000:.3f}"),
        ("an event in Kafka, bytes", f"{costs.message_bytes:,.0f}"),
        ("an event in landing, bytes", f"{costs.landed_bytes:,.0f}"),
        ("a case in current and history, bytes", f"{costs.state_bytes:,.0f}"),
        (f"a million cases recomputed on {costs.cores} cores, s", f"{costs.rebuild * MILLION:,.0f}"),
        *rounds,
        ("memory of such a round, Kafka, MinIO, PostgreSQL and Spark among it, MiB", f"{costs.memory:,.0f}"),
    ]


def _assumed() -> list[tuple[str, str]]:
    return [
        ("cases, payments, registrations and the like that a person has in all datasets", f"{KEYS_A_PERSON}"),
        ("events of a person in a year", f"{EVENTS_A_YEAR}"),
        ("minutes from one round to the next", f"{ROUND_MINUTES}"),
        ("days that Kafka keeps events, and copies of each", f"{KEPT_DAYS}, {REPLICAS}"),
        ("share of the cores that is used on average", f"{BUSY:.0%}"),
    ]


def _city(costs: Costs, people: int) -> dict[str, str]:
    keys, events = people * KEYS_A_PERSON, people * EVENTS_A_YEAR / 365
    rounds = max(24 * 60 / ROUND_MINUTES, events / costs.events)
    cpu, beyond = costs.round_cpu(keys), "" if keys <= max(costs.rounds) else " (computed)"
    rebuild, unseen = keys * costs.rebuild * costs.cores / 60, "" if keys <= costs.cases else " (computed)"
    gib = 1 << 30
    return {
        "events a day": f"{events:,.0f}",
        "keys": f"{keys:,}",
        "CPU s of a round": f"{cpu:,.0f}{beyond}",
        "average cores": f"{rounds * cpu / 86_400 / BUSY:.1f}{beyond}",
        **{f"a round on {cores} cores, s": f"{cpu / cores:,.0f}{beyond}" for cores in CORES},
        **{f"all recomputed on {cores} cores, min": f"{rebuild / cores:,.0f}{unseen}" for cores in CORES},
        "landing, GiB a year": f"{events * 365 * costs.landed_bytes / gib:,.1f}",
        "current and history, GiB": f"{keys * costs.state_bytes / gib:,.1f}",
        "Kafka, GiB": f"{events * KEPT_DAYS * REPLICAS * costs.message_bytes / gib:,.1f}",
    }
