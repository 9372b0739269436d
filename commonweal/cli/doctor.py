"""``commonweal doctor``: what is installed, what is missing, and the cure of each problem."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.errors import ConfigError
from commonweal.settings import load_settings

if TYPE_CHECKING:
    from infra.doctor import Finding

app = typer.Typer()


@app.command()
def doctor(
    run_dir: Annotated[Path | None, typer.Option("--run-dir", help="Folder of the stack; by default .run.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say what is installed, what is missing, and the cure of each problem; exit code 10 if there is one."""
    from infra.doctor import examine

    findings = examine(load_settings(run_dir).run_dir)
    if as_json:
        print(json.dumps([{**dataclasses.asdict(item), "ok": not item.is_problem} for item in findings], indent=1))
    else:
        _show(findings)
    if any(item.is_problem for item in findings):
        raise typer.Exit(ConfigError.exit_code)


def _show(findings: "list[Finding]") -> None:
    from rich.table import Table

    from commonweal.cli.screen import console as screen

    table = Table(box=None, pad_edge=False)
    for title in ("", "check", "found", "cure"):
        table.add_column(title, overflow="fold")
    for item in findings:
        table.add_row("[red]✗" if item.is_problem else "[green]✓", item.check, item.found, item.cure)
    problems = sum(item.is_problem for item in findings)
    console = screen()
    console.print(table)
    console.print(f"{problems} problems, each with its cure." if problems else "Nothing is wrong.")
