"""``commonweal run``: the same steps that Airflow calls, from the command line."""

import json as json_format
from typing import Annotated

import typer

from commonweal.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def run(
    step: Annotated[str, typer.Argument(help="land, clean, join, gate or release; or all of the dataset's steps: all")],
    dataset: Annotated[str, typer.Argument(help="Id of the dataset: department.name")],
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Run a step of a dataset, or all of them in order."""
    from commonweal.ports import open_ports
    from commonweal.steps.run import run_with, steps_of

    ports = open_ports(load_settings())
    steps = steps_of(ports.contract(dataset)) if step == "all" else (step,)
    for name in steps:
        result = run_with(ports, name, dataset)
        counts = {key: value for key, value in result.items() if key not in ("outcome", "seconds")}
        shown = ", ".join(f"{key} {value:,}" for key, value in counts.items() if isinstance(value, int))
        print(
            json_format.dumps({"step": name, **result})
            if json
            else f"{name:<8} {result['outcome']:<8} {result['seconds']:>4} s  {shown}"
        )
