"""The main job, once, on the running stack: what an invented town and a part of the real export come to."""

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from commonweal.ports import Ports, open_ports
from infra.demo import story
from infra.demo.town import Ledger, build
from streams.publish import Outcome, Request, publish

RESIDENTS = 800
REQUESTS = 40_000
"""Enough for a few months of open data: a month is published when a later one has begun."""


@dataclass(frozen=True)
class Told:
    """The main job after its end.

    Attributes:
        ports: The world it ran in.
        town: What was published, and what must come of it.
        outcomes: By file name, what publishing said.
        log: What the demo printed while it waited.
    """

    ports: Ports
    town: Ledger
    outcomes: dict[str, Outcome]
    log: str


@pytest.fixture(scope="session")
def told(whole_stack, tmp_path_factory) -> Iterator[Told]:
    """Everything published, refused, repaired and released, by watch and Airflow and nobody else."""
    folder = tmp_path_factory.mktemp("town")
    town = build(folder, residents=RESIDENTS)
    files = [(story.HOTLINE, first_requests(folder / "requests.csv"), story.HOTLINE_EXPORTED_AT)]
    files += [(export.dataset, export.path, export.exported_at) for export in town.exports]
    outcomes = {}
    for dataset, path, exported_at in files:
        request = Request(str(path), dataset, exported_at=exported_at, rejects=folder / f"{path.name}.rejects")
        outcomes[path.name] = publish(request, whole_stack.settings)
    story.send_direct(whole_stack.settings, town.direct)
    console, ports = Console(file=io.StringIO(), width=200), open_ports(whole_stack.settings)
    story.wait(ports, console, set(), story.has_judged_cases)
    story.repair_cases(ports, town, console)
    story.wait(ports, console, set(), story.all_released)
    yield Told(ports, town, outcomes, console.file.getvalue())
    ports.close()


def first_requests(path: Path) -> Path:
    """The first rows of the real export, as they are."""
    with (
        gzip.open(story.HOTLINE_EXPORT, "rt", encoding="utf-8", newline="") as export,
        path.open("w", encoding="utf-8", newline="") as part,
    ):
        rows = csv.reader(export)
        csv.writer(part).writerows(row for _, row in zip(range(REQUESTS + 1), rows, strict=False))
    return path
