"""``commonweal release``: a person's decisions about what people read."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.settings import load_settings

if TYPE_CHECKING:
    from commonweal.contract.model import Contract
    from commonweal.lake.lease import Lease
    from commonweal.ports import Ports

app = typer.Typer(add_completion=False, no_args_is_help=True)
Dataset = Annotated[str, typer.Argument(help="Id of the dataset: department.name")]
Reason = Annotated[str, typer.Option(prompt="Why?", help="Why; it goes into the evidence.")]
Role = Annotated[str, typer.Option("--as", help="The role that you sign in with.")]


@app.command()
def rollback(
    dataset: Dataset,
    number: Annotated[int, typer.Argument(help="The release to go back to")],
    *,
    reason: Reason,
    role: Role = "engineer",
) -> None:
    """Let people read an older release, and hold the dataset until the hold is lifted."""
    from commonweal.steps.release import roll_back

    decide(
        dataset,
        role,
        lambda contract, ports, lease, person: roll_back(contract, ports, lease, number=number, person=person, reason=reason),
    )
    print(f"{dataset}: people read release {number} now; nothing is released until: commonweal release lift {dataset}")


@app.command("hold")
def hold_command(dataset: Dataset, *, reason: Reason, role: Role = "engineer") -> None:
    """Hold a dataset's releases back."""
    from commonweal.steps.release import hold

    decide(dataset, role, lambda contract, ports, lease, person: hold(contract, ports, lease, person=person, reason=reason))
    print(f"{dataset}: nothing is released until: commonweal release lift {dataset}")


@app.command("lift")
def lift_command(dataset: Dataset, *, reason: Reason, role: Role = "engineer") -> None:
    """Lift a hold; what passed the gate is released by the next run."""
    from commonweal.steps.release import lift

    decide(dataset, role, lambda contract, ports, lease, person: lift(contract, ports, lease, person=person, reason=reason))
    print(f"{dataset}: the hold is lifted")


def decide(dataset: str, role: str, decision: "Callable[[Contract, Ports, Lease, str], None]") -> None:
    """Carry out a decision of a person who signed in, under the dataset's lease.

    Raises:
        AccessDeniedError: Nobody is signed in, or the role may not decide.
    """
    from commonweal.lake import lease as leases
    from commonweal.people import may_decide, sign_in
    from commonweal.ports import open_ports

    ports = open_ports(load_settings())
    contract = ports.contract(dataset)
    person = may_decide(sign_in(ports.settings, role), contract)
    with leases.held(ports.engine, dataset, f"{person.role}/decision", seconds=ports.settings.lease_seconds) as lease:
        decision(contract, ports, lease, person.role)
