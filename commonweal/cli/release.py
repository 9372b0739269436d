"""``commonweal release``: a person's decisions about what people read."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from commonweal.settings import load_settings

if TYPE_CHECKING:
    from commonweal.contract.model import Contract
    from commonweal.lake.lease import Lease
    from commonweal.people import Decision, Person
    from commonweal.ports import Ports

Outcome = TypeVar("Outcome")
app = typer.Typer(add_completion=False, no_args_is_help=True)
Dataset = Annotated[str, typer.Argument(help="Id of the dataset: department.name")]
Reason = Annotated[str, typer.Option(prompt="Why?", help="Why; it goes into the evidence.")]
Role = Annotated[str, typer.Option("--as", help="The role that you sign in with.")]
WAITS = (
    "the newest candidate is what was rolled back and is not released again as it was: "
    "new data, a changed contract, new code or commonweal rebuild make a newer one"
)


@app.command()
def rollback(
    dataset: Dataset,
    number: Annotated[
        int, typer.Argument(help="The release that people are to read: an older one, or a newer one to return to it")
    ],
    *,
    reason: Reason,
    role: Role = "engineer",
) -> None:
    """Let people read another release, and hold the dataset until the hold is lifted."""
    from commonweal.steps.release import roll_back

    decide(
        dataset,
        role,
        "rollback",
        lambda contract, ports, lease, person: roll_back(contract, ports, lease, number=number, person=person, reason=reason),
    )
    print(f"{dataset}: people read release {number} now; nothing is released until: commonweal release lift {dataset}")


@app.command("hold")
def hold_command(dataset: Dataset, *, reason: Reason, role: Role = "engineer") -> None:
    """Hold a dataset's releases back."""
    from commonweal.steps.release import hold

    decide(
        dataset, role, "hold", lambda contract, ports, lease, person: hold(contract, ports, lease, person=person, reason=reason)
    )
    print(f"{dataset}: nothing is released until: commonweal release lift {dataset}")


@app.command("lift")
def lift_command(dataset: Dataset, *, reason: Reason, role: Role = "engineer") -> None:
    """Lift a hold; the next run releases what passed the gate, but never again as it was what was rolled back."""
    from commonweal.steps.release import lift

    must_wait = decide(
        dataset, role, "lift", lambda contract, ports, lease, person: lift(contract, ports, lease, person=person, reason=reason)
    )
    print(f"{dataset}: the hold is lifted; {WAITS if must_wait else 'the next run releases what passed the gate'}")


def decide(
    dataset: str, role: str, decision: "Decision", carry_out: "Callable[[Contract, Ports, Lease, Person], Outcome]"
) -> Outcome:
    """Carry out a decision of a person who signs in, under the dataset's lease.

    Raises:
        AccessDeniedError: Nobody is signed in, or the role may not decide; that is in the evidence.
    """
    from commonweal.lake import lease as leases
    from commonweal.people import decider
    from commonweal.ports import open_ports

    ports = open_ports(load_settings())
    contract = ports.contract(dataset)
    person = decider(contract, ports, role, decision)
    with leases.held(ports.engine, dataset, f"{person.role}/decision", seconds=ports.settings.lease_seconds) as lease:
        return carry_out(contract, ports, lease, person)
