"""The page on sizing computes from what was measured, and says what is not measured yet."""

import pytest

from benchmarks.measure import Measured
from benchmarks.results import OURS, Result
from benchmarks.rows import clean, day, land
from benchmarks.sizing import sizing

WHERE = {"cores": 2}
RUN = Measured(10.0, 20.0, 3000.0)
ROUNDS = {day.cpu_of(300_000): 30.0, day.cpu_of(3_000_000): 57.0}
ROWS = {
    "P2": Result(
        "P2", "land", 100, "events", (RUN,), tenfold={OURS: RUN}, figures={land.LANDED_BYTES: 200, land.MESSAGE_BYTES: 1000}
    ),
    "P4": Result("P4", "clean", 100, "cases", (RUN,), figures={clean.STATE_BYTES: 100, clean.from_nothing(100): 0.0036}),
    "P8": Result("P8", "a day", 3_000_000, "cases", (RUN,), figures=ROUNDS),
}


@pytest.mark.parametrize(
    "line",
    [
        "| an event landed, CPU ms | 20.000 |",
        "| a round of 100,000 events on 300,000 cases, landed to released, CPU s | 30 |",
        "| memory of such a round, Kafka, MinIO, PostgreSQL and Spark among it, MiB | 3,000 |",
        "| events a day | 27,397 | 273,973 | 821,918 |",
        # Ten CPU seconds more for each million cases; one million people have two million cases.
        "| CPU s of a round | 47 | 227 (computed) | 627 (computed) |",
        "| average cores | 0.1 | 0.5 (computed) | 1.4 (computed) |",
        "| a round on 8 cores, s | 6 | 28 (computed) | 78 (computed) |",
        "| all recomputed on 2 cores, min | 1 (computed) | 12 (computed) | 36 (computed) |",
        "| landing, GiB a year | 1.9 | 18.6 | 55.9 |",
        "| Kafka, GiB | 2.3 | 23.0 | 68.9 |",
    ],
)
def test_each_figure_follows_from_what_was_measured_and_assumed(line):
    assert line in sizing((WHERE, row) for row in ROWS.values())


@pytest.mark.parametrize("missing", ROWS)
def test_what_is_missing_is_named(missing):
    assert f"Not yet measured: {missing}." in sizing((WHERE, row) for name, row in ROWS.items() if name != missing)
