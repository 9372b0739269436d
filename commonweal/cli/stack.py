"""``commonweal stack``: start, stop and watch the local stack."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.errors import ConfigError
from commonweal.settings import load_settings

if TYPE_CHECKING:
    from infra.stack.status import Row

app = typer.Typer(help="Start, stop and watch the local stack.", no_args_is_help=True)
PROFILES = "local, or cluster: three brokers, a Spark master with two workers, four drives; chosen at the first start, then kept."
RunDir = Annotated[Path | None, typer.Option("--run-dir", help="Folder of the stack; by default COMMONWEAL_RUN_DIR, else .run.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command()
def up(
    run_dir: RunDir = None,
    port: Annotated[list[str] | None, typer.Option(help="SERVICE=PORT, repeatable; without it a free one, then kept.")] = None,
    profile: Annotated[str | None, typer.Option(help=PROFILES)] = None,
) -> None:
    """Start every service that does not run, and wait until each is ready."""
    from commonweal.cli.screen import console as screen
    from infra.stack.board import Board
    from infra.stack.bring_up import bring_up, is_up

    console, folder = screen(), load_settings(run_dir).run_dir
    before = is_up(folder)
    settings = bring_up(folder, _ports(port or []), Board(console), profile)
    console.print("The stack was up already." if before else "The stack is up.", f"Airflow: {settings.airflow_url}")
    console.print(f"Accounts engineer and auditor; passwords in {settings.secrets_dir}/airflow-<account>", soft_wrap=True)


@app.command()
def down(run_dir: RunDir = None) -> None:
    """Stop every service; data stays."""
    from infra.stack.take_down import take_down

    stubborn = take_down(load_settings(run_dir).run_dir)
    print("The stack is down." if not stubborn else f"The stack is down; {stubborn} processes had to be ended.")


@app.command()
def status(run_dir: RunDir = None, as_json: AsJson = False) -> None:
    """Show each service: state, process, uptime, memory, port; and say when their disk is full."""
    from infra.stack.status import rows, shortage

    folder = load_settings(run_dir).run_dir
    found = rows(folder)
    if as_json:
        print(json.dumps([dataclasses.asdict(row) for row in found], indent=1))
    else:
        _show(found)
    if lacking := shortage(folder):
        print(lacking, file=sys.stderr)


@app.command()
def logs(
    service: Annotated[list[str] | None, typer.Argument(help="Services; all when none is named.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Last lines of each log.")] = 20,
    run_dir: RunDir = None,
) -> None:
    """Show the logs."""
    from infra.stack.log_lines import log_lines

    try:
        for line in log_lines(load_settings(run_dir).run_dir, service or [], last=lines, follow=follow):
            print(line, flush=follow)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command()
def reset(run_dir: RunDir = None, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop the stack and delete all it keeps: data, secrets and keys."""
    from infra.stack import take_down

    folder = load_settings(run_dir).run_dir
    if not yes:
        typer.confirm(f"Delete everything in {folder}: events, tables, releases, evidence, secrets, keys?", abort=True)
    take_down.reset(folder)
    print(f"The stack in {folder} is down and empty.")


def _show(found: "list[Row]") -> None:
    from rich.table import Table

    from commonweal.cli.screen import console as screen

    table = Table(box=None, pad_edge=False)
    for title in ("service", "state"):
        table.add_column(title)
    for title in ("pid", "uptime", "memory", "port"):
        table.add_column(title, justify="right")
    for row in found:
        colour = {"running": "green", "starting": "yellow"}.get(row.state, "red")
        pid, port = ("" if value is None else str(value) for value in (row.pid, row.port))
        table.add_row(row.service, f"[{colour}]{row.state}", pid, _duration(row.uptime_seconds), f"{row.memory_mib} MiB", port)
    table.add_section()
    table.add_row("all", "", "", "", f"{sum(row.memory_mib for row in found)} MiB", "")
    screen().print(table)


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _ports(given: list[str]) -> dict[str, int]:
    pairs = [item.partition("=") for item in given]
    wrong = [item for item, (_, _, number) in zip(given, pairs, strict=True) if not number.isdigit()]
    if wrong:
        raise ConfigError(f"--port {wrong[0]}: write SERVICE=PORT, for example kafka=19092")
    return {name: int(number) for name, _, number in pairs}
