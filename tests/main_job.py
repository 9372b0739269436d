"""The main job as tests tell it: an invented town and a part of the real export, published, refused, repaired and released."""

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from commonweal.lake.names import released_table
from commonweal.lake.releases import current_release
from commonweal.lake.spark import at
from commonweal.ports import Ports, open_ports
from commonweal.settings import Settings
from infra.demo import story
from infra.demo.town import Ledger, build
from streams.publish import Outcome, Request, publish


@dataclass(frozen=True)
class Size:
    """How many people the town has, and how many rows of the real export are published."""

    residents: int
    requests: int


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


@contextmanager
def told(settings: Settings, folder: Path, size: Size, midway: Callable[[Ports], None] | None = None) -> Iterator[Told]:
    """Everything published, refused, repaired and released, by watch and Airflow and nobody else.

    Args:
        settings: A stack that is up.
        folder: Where the exports are written.
        size: How much there is of it.
        midway: Called when all is published, and the first events have landed and are worked on.
    """
    town = build(folder, residents=size.residents)
    files = [(story.HOTLINE, first_requests(folder / "requests.csv", size.requests), story.HOTLINE_EXPORTED_AT)]
    files += [(export.dataset, export.path, export.exported_at) for export in town.exports]
    outcomes = {}
    for dataset, path, exported_at in files:
        request = Request(str(path), dataset, exported_at=exported_at, rejects=folder / f"{path.name}.rejects")
        outcomes[path.name] = publish(request, settings)
    story.send_direct(settings, town.direct)
    console, ports = Console(file=io.StringIO(), width=200), open_ports(settings)
    if midway:
        story.wait(ports, console, set(), lambda found: any(item.landed_at for item in found))
        midway(ports)
    story.wait(ports, console, set(), story.has_judged_cases)
    story.repair_cases(ports, town, console)
    story.wait(ports, console, set(), story.all_released)
    yield Told(ports, town, outcomes, console.file.getvalue())
    ports.close()


def rows_of(told: Told, dataset: str) -> list:
    """What people read of a dataset's current state."""
    ports, contract = told.ports, told.ports.contract(dataset)
    made = current_release(ports.engine, dataset)
    frame = at(ports.spark, released_table(contract, "current"), made.snapshots["current"])
    return (frame.where("_state = 'live'") if contract.kind == "source" else frame).collect()


def first_requests(path: Path, rows: int) -> Path:
    """The first rows of the real export, as they are."""
    with (
        gzip.open(story.HOTLINE_EXPORT, "rt", encoding="utf-8", newline="") as export,
        path.open("w", encoding="utf-8", newline="") as part,
    ):
        found = csv.reader(export)
        csv.writer(part).writerows(row for _, row in zip(range(rows + 1), found, strict=False))
    return path
