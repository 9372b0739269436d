"""``commonweal rebuild``: every key of a dataset recomputed from its landed events, every row of a product joined anew."""

from typing import Annotated

import typer

from commonweal.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def rebuild(
    dataset: Annotated[str, typer.Argument(help="Id of the dataset: department.name")],
    *,
    reason: Annotated[str, typer.Option(prompt="Why?", help="Why; it goes into the evidence.")],
    role: Annotated[str, typer.Option("--as", help="The role that you sign in with.")] = "engineer",
) -> None:
    """Rebuild a dataset's candidate, then gate and release it; people read the old release until then."""
    from commonweal import evidence
    from commonweal.people import decider
    from commonweal.ports import open_ports
    from commonweal.steps.run import run_with

    ports = open_ports(load_settings())
    contract = ports.contract(dataset)
    person = decider(contract, ports, role, "rebuild")
    evidence.record(ports.engine, evidence.Entry(person.role, "rebuild_began", dataset, {"reason": reason}))
    first = "clean" if contract.kind == "source" else "join"
    for step in (first, "gate", "release"):
        result = run_with(ports, step, dataset, rebuild=step == first)
        print(f"{step:<8} {result['outcome']:<8} {result['seconds']:>4} s")
