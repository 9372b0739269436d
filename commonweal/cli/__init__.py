"""The command line: one module per command, imported only when that command is run, so that help is fast."""

import importlib
import sys

import click
import typer.main

from commonweal.errors import CommonwealError

COMMANDS = {
    "apply": "Bring topics, access rules, buckets, roles and tables in line with the contracts.",
    "contract": "Lint, show and compare contracts.",
    "doctor": "Say what is installed, what is missing, and the cure of each problem.",
    "evidence": "Verify or export the evidence log.",
    "keys": "Rotate the pseudonym keys.",
    "loss": "Accept, with a person and a reason, that the source lost events.",
    "publish": "Publish a file as events of a dataset.",
    "query": "Read released data for a purpose.",
    "rebuild": "Rebuild a dataset from its landed events.",
    "rejected": "List, show, repair, replay or dismiss rejected events.",
    "release": "Roll back, hold or free a dataset's releases.",
    "releases": "List releases.",
    "run": "Run a step, or all steps, of a dataset.",
    "stack": "Start, stop and watch the local stack.",
    "status": "Show every dataset on one screen.",
}


class LazyCommands(click.Group):
    """A group whose commands are the modules of this package: ``commonweal.cli.<name>`` with a typer ``app``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All commands by name."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command's module, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"commonweal.cli.{cmd_name}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The list of commands, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="commonweal")
def app() -> None:
    """Commonweal: departments publish events, the gate checks them, people read what was released."""


def main() -> None:
    """Entry point: a platform error ends with one clear line and its own exit code."""
    try:
        app(prog_name="commonweal")
    except CommonwealError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
