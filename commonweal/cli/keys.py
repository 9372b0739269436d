"""``commonweal keys``: the pseudonym keys, and their rotation."""

from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from commonweal.rotation import Standing

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def keys() -> None:
    """The pseudonym keys."""


@app.command()
def status() -> None:
    """Show under which epoch of the key each dataset stands: what has landed, and what people read."""
    from commonweal.cli.screen import console as screen
    from commonweal.cli.screen import warn_of_broken
    from commonweal.ports import open_ports
    from commonweal.rotation import standings

    ports = open_ports(load_settings())
    warn_of_broken(ports)
    screen().print(_table(standings(ports)))


@app.command()
def rotate(
    *,
    reason: Annotated[str, typer.Option(prompt="Why?", help="Why; it goes into the evidence.")],
    role: Annotated[str, typer.Option("--as", help="The role that you sign in with.")] = "engineer",
) -> None:
    """Make a new key and every pseudonym anew with it; start it again if it was interrupted."""
    from rich.live import Live

    from commonweal.cli.screen import console as screen
    from commonweal.people import decider_for_all
    from commonweal.ports import open_ports
    from commonweal.rotation import rotate as rotate_keys

    ports = open_ports(load_settings())
    person = decider_for_all(ports, role, "rotate_keys")
    moved: list[Standing] = []
    with Live(_table(moved), console=screen()) as live:
        for standing in rotate_keys(ports, person, reason=reason):
            moved.append(standing)
            live.update(_table(moved))
    print("What people read follows as each dataset is cleaned, gated and released anew: commonweal keys status")


def _table(standings: "Iterable[Standing]") -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, title="epoch of the pseudonym key", title_justify="left")
    for name in ("dataset", "landed", "people read"):
        table.add_column(name, justify="left" if name == "dataset" else "right")
    for standing in standings:
        table.add_row(standing.dataset, _text(standing.landed), _text(standing.released))
    return table


def _text(epoch: int | None) -> str:
    return "–" if epoch is None else str(epoch)
