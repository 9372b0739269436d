"""``commonweal loss``: a person accepts that Kafka lost events before they were landed."""

from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.settings import load_settings

if TYPE_CHECKING:
    from commonweal.losses import Loss

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def loss() -> None:
    """Accept, with a person and a reason, that the source lost events."""


@app.command()
def accept(
    dataset: Annotated[str, typer.Argument(help="Id of the dataset: department.name")],
    *,
    reason: Annotated[str, typer.Option(prompt="Why?", help="Why; it goes into the evidence.")],
    role: Annotated[str, typer.Option("--as", help="The role that you sign in with.")] = "engineer",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Show which offsets are lost, and, once you have confirmed, let landing go on behind them."""
    from commonweal import losses
    from commonweal.lake import lease as leases
    from commonweal.people import decider
    from commonweal.ports import open_ports

    ports = open_ports(load_settings())
    contract = ports.contract(dataset)
    person = decider(contract, ports, role, "accept_loss")
    found = losses.find_losses(contract, ports)
    if not found:
        print(f"{dataset}: nothing is lost that was not landed or accepted")
        return
    _show(dataset, found)
    if not yes:
        typer.confirm("These events can't be landed any more. Go on without them?", abort=True)
    with leases.held(ports.engine, dataset, f"{person.role}/loss", seconds=ports.settings.lease_seconds) as lease:
        count = losses.accept(contract, ports, lease, person, found, reason=reason)
    print(f"{dataset}: {count:,} offsets accepted as lost; the next run lands what comes after them")


def _show(dataset: str, found: "tuple[Loss, ...]") -> None:
    from rich.table import Table

    from commonweal.cli.screen import console as screen

    table = Table(box=None, header_style="bold", pad_edge=False, title=f"{dataset}: lost before landed", title_justify="left")
    for name in ("topic", "partition", "from offset", "to before", "offsets"):
        table.add_column(name, justify="left" if name == "topic" else "right")
    for loss in found:
        table.add_row(loss.topic, str(loss.partition), str(loss.start), str(loss.end), f"{loss.records:,}")
    screen().print(table)
