"""``commonweal status``: every dataset on one screen."""

import json as json_format
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.settings import load_settings

if TYPE_CHECKING:
    from rich.table import Table

    from commonweal.overview import DatasetStatus
    from commonweal.ports import Ports

app = typer.Typer(add_completion=False)


@app.command()
def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Per dataset: lag, last landing, last gate, last release, and whether its promise is kept."""
    from dataclasses import asdict

    from rich.live import Live

    from commonweal.cli.screen import console as screen
    from commonweal.cli.screen import warn_of_broken
    from commonweal.ports import open_ports

    ports = open_ports(load_settings())
    warn_of_broken(ports)
    if json:
        print(json_format.dumps([asdict(item) for item in read(ports)], default=str, indent=2))
    elif watch:
        with Live(table(read(ports)), refresh_per_second=2) as live:
            while True:
                time.sleep(1)
                live.update(table(read(ports)))
    else:
        screen().print(table(read(ports)))


def read(ports: "Ports") -> "list[DatasetStatus]":
    """Where every dataset stands now."""
    from commonweal.overview import end_offsets, overview

    return overview(ports.engine, ports.contracts, end_offsets(ports.settings, ports.contracts))


def table(found: "list[DatasetStatus]") -> "Table":
    """The screen."""
    from rich.table import Table

    shown = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("dataset", "lag", "landed", "gate", "release", "rows", "released", "what next"):
        shown.add_column(name, justify="right" if name in ("lag", "release", "rows") else "left", no_wrap=name != "what next")
    for item in found:
        shown.add_row(
            item.dataset,
            "" if item.lag is None else f"{item.lag:,}",
            ago(item.landed_at),
            {"passed": "[green]passed[/]", "refused": "[red]refused[/]"}.get(item.gate, "–"),
            "–" if item.release is None else str(item.release),
            "" if item.rows is None else f"{item.rows:,}",
            f"[red]{ago(item.released_at)}, late[/]" if item.is_late else ago(item.released_at),
            _next(item),
        )
    return shown


def ago(moment: datetime | None) -> str:
    """How long ago, in the largest unit that fits.

    >>> ago(None)
    '–'
    """
    if moment is None:
        return "–"
    seconds = max(0, (datetime.now(UTC) - moment).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _next(item: "DatasetStatus") -> str:
    if item.held:
        return "held by a person; commonweal release lift"
    if item.work.blocked:
        return f"blocked: {item.work.blocked}"
    if item.work.reasons:
        return ", ".join(item.work.reasons)
    if item.rolled_back:
        return "rolled back; waits for a newer candidate"
    if not item.gate:
        return "waits for its inputs' first releases" if item.lag is None else "waits for its first events"
    return "refused; commonweal report" if item.gate == "refused" else "up to date"
