"""``commonweal apply``: bring topics, access rules, buckets, roles and tables in line with the contracts."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from commonweal.apply import Change

app = typer.Typer(add_completion=False)


@app.command()
def apply(
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="postgres, minio, kafka or tables; by default all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Bring a running system in line with the contracts. Data is never destroyed; access that no contract gives is revoked."""
    from commonweal import apply as applying
    from commonweal.settings import load_settings

    unknown = sorted(set(only or ()) - set(applying.SYSTEMS))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(applying.SYSTEMS)}", param_hint="--only")
    changes = applying.apply(load_settings(), plan=plan, only=only or None)
    if as_json:
        typer.echo(json.dumps([asdict(change) for change in changes], indent=2))
    else:
        _show(changes, plan=plan)


def _show(changes: "list[Change]", *, plan: bool) -> None:
    from rich.table import Table

    from commonweal.cli.screen import console as screen

    console = screen()
    if changes:
        table = Table("system", "action", "what", "name", "detail", box=None)
        for change in changes:
            table.add_row(change.system, change.action, change.kind, change.name, change.detail)
        console.print(table)
    done = sum(change.action != "extra" for change in changes)
    left = len(changes) - done
    verb = "would be made" if plan else "made"
    console.print(f"{done} changes {verb}" if done else "nothing to do", end=f"; {left} left alone\n" if left else "\n")
