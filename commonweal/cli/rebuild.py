"""``commonweal rebuild``: every key of a dataset recomputed from its landed events, every row of a product joined anew."""

from typing import Annotated

import typer

from commonweal.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def rebuild(dataset: Annotated[str, typer.Argument(help="Id of the dataset: department.name")]) -> None:
    """Rebuild a dataset's candidate, then gate and release it; people read the old release until then."""
    from commonweal.ports import open_ports
    from commonweal.steps.run import run_with

    ports = open_ports(load_settings())
    first = "clean" if ports.contract(dataset).kind == "source" else "join"
    for step in (first, "gate", "release"):
        result = run_with(ports, step, dataset, rebuild=step == first)
        print(f"{step:<8} {result['outcome']:<8} {result['seconds']:>4} s")
