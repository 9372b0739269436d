"""``commonweal releases``: what was released, from what, and what people read now."""

import json as json_format
from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.settings import load_settings

if TYPE_CHECKING:
    from rich.table import Table

    from commonweal.lake.releases import Release

app = typer.Typer(add_completion=False)


@app.command()
def releases(
    dataset: Annotated[str | None, typer.Argument(help="Id of a dataset; all datasets without one")] = None,
    *,
    most: Annotated[int, typer.Option(help="At most this many.")] = 30,
    json: Annotated[bool, typer.Option("--json", help="Print the manifests as JSON.")] = False,
) -> None:
    """List releases, newest first; the current one of each dataset is marked."""
    from dataclasses import asdict

    from commonweal.cli.screen import console as screen
    from commonweal.lake.releases import list_releases
    from commonweal.ports import open_ports

    ports = open_ports(load_settings())
    if dataset:
        ports.contract(dataset)
    listed = list_releases(ports.engine, dataset, most=most)
    if json:
        print(json_format.dumps([{**asdict(made), "is_current": now} for made, now in listed], default=str, indent=2))
    else:
        screen().print(releases_table(listed))


def releases_table(listed: "list[tuple[Release, bool]]") -> "Table":
    """Releases as a table for people."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("dataset", "release", "rows", "made (UTC)", "from", "contract", "code"):
        table.add_column(name, justify="right" if name in ("release", "rows") else "left")
    for made, is_current in listed:
        inputs = ", ".join(f"{name.split('.')[1]} {number}" for name, number in made.inputs.items()) or "Kafka"
        number = f"[green]● {made.number}[/]" if is_current else str(made.number)
        when = f"{made.made_at:%Y-%m-%d %H:%M:%S}" if made.made_at else ""
        table.add_row(made.dataset, number, f"{made.rows['current']:,}", when, inputs, made.contract_version, made.code_version)
    return table
