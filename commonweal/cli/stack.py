"""``commonweal stack``: start, stop and watch the local stack."""

from pathlib import Path
from typing import Annotated

import typer

from commonweal.errors import ConfigError
from commonweal.settings import load_settings

app = typer.Typer(help="Start, stop and watch the local stack.", no_args_is_help=True)
RunDir = Annotated[Path | None, typer.Option("--run-dir", help="Folder of the stack; by default COMMONWEAL_RUN_DIR, else .run.")]


@app.command()
def up(
    run_dir: RunDir = None,
    port: Annotated[list[str] | None, typer.Option(help="SERVICE=PORT, repeatable; without it a free one, then kept.")] = None,
) -> None:
    """Start every service that does not run, and wait until each is ready."""
    from rich.console import Console

    from infra.stack.board import Board
    from infra.stack.bring_up import bring_up

    console = Console()
    bring_up(load_settings(run_dir).run_dir, _ports(port or []), Board(console))


@app.command()
def down(run_dir: RunDir = None) -> None:
    """Stop every service; data stays."""
    from infra.stack.take_down import take_down

    stubborn = take_down(load_settings(run_dir).run_dir)
    print("The stack is down." if not stubborn else f"The stack is down; {stubborn} processes had to be ended.")


def _ports(given: list[str]) -> dict[str, int]:
    pairs = [item.partition("=") for item in given]
    wrong = [item for item, (_, _, number) in zip(given, pairs, strict=True) if not number.isdigit()]
    if wrong:
        raise ConfigError(f"--port {wrong[0]}: write SERVICE=PORT, for example kafka=19092")
    return {name: int(number) for name, _, number in pairs}
