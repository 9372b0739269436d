"""``commonweal releases``: what was released, from what, and what people read now."""

import json as json_format
from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """List releases, newest first; ● is what people read now, ↶ what somebody went back from and nobody reads any more."""
    from dataclasses import asdict

    from commonweal.cli.screen import console as screen
    from commonweal.lake.releases import list_releases, rolled_back_numbers
    from commonweal.ports import open_ports

    ports = open_ports(load_settings())
    if dataset:
        ports.contract(dataset)
    listed = list_releases(ports.engine, dataset, most=most)
    gone = {name: rolled_back_numbers(ports.engine, name) for name in {made.dataset for made, _ in listed}}
    if json:
        marked = [
            {**asdict(made), "is_current": now, "is_rolled_back": made.number in gone[made.dataset]} for made, now in listed
        ]
        print(json_format.dumps(marked, default=str, indent=2))
    else:
        screen().print(releases_table(listed, gone))


def releases_table(listed: "list[tuple[Release, bool]]", gone: "Mapping[str, frozenset[int]]") -> "Table":
    """Releases as a table for people.

    Args:
        listed: Releases, each with whether people read it now.
        gone: By dataset, the numbers of those that were rolled back.
    """
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("dataset", "release", "rows", "made (UTC)", "from", "contract", "code"):
        table.add_column(name, justify="right" if name in ("release", "rows") else "left")
    for made, is_current in listed:
        inputs = ", ".join(f"{name.split('.')[1]} {number}" for name, number in made.inputs.items()) or "Kafka"
        is_gone = made.number in gone.get(made.dataset, ())
        number = f"[green]● {made.number}[/]" if is_current else f"[yellow]↶ {made.number}[/]" if is_gone else str(made.number)
        when = f"{made.made_at:%Y-%m-%d %H:%M:%S}" if made.made_at else ""
        table.add_row(made.dataset, number, f"{made.rows['current']:,}", when, inputs, made.contract_version, made.code_version)
    return table
