"""The command line: one module per command, imported only when that command is run, so that help is fast."""

import importlib
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from commonweal import __version__
from commonweal.errors import CommonwealError

os.environ.setdefault("TYPER_STANDARD_TRACEBACK", "1")  # its pretty tracebacks print the values of local variables

COMMANDS = {
    "apply": "Bring topics, access rules, buckets, roles and tables in line with the contracts.",
    "backup": "Keep everything, encrypted, in a folder or an S3, while all is running.",
    "contract": "Lint, show and compare contracts.",
    "doctor": "Say what is installed, what is missing, and the cure of each problem.",
    "evidence": "Verify or export the evidence log.",
    "keys": "Rotate the pseudonym keys, and show which one each dataset stands under.",
    "loss": "Accept, with a person and a reason, that the source lost events.",
    "publish": "Publish a file as events of a dataset.",
    "query": "Read released data for a purpose.",
    "rebuild": "Rebuild a dataset from its landed events.",
    "rejected": "List, show, repair, replay or dismiss rejected events.",
    "release": "Roll back, hold or free a dataset's releases.",
    "releases": "List releases.",
    "report": "Save the gate's last report as a page, or print it as JSON.",
    "restore": "From a backup and its private key to a platform that goes on where it was.",
    "run": "Run a step, or all steps, of a dataset.",
    "stack": "Start, stop and watch the local stack.",
    "status": "Show every dataset on one screen.",
}


HELP = ("-h", "--help", "help")
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: one command, imported now; a platform error ends with one clear line and its own exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in HELP:
        print(overview())
    elif name == "--version":
        print(f"commonweal {__version__}")
    elif name in COMMANDS:
        _run(name, rest)
    else:
        near = get_close_matches(name, COMMANDS, n=1)
        print(f"There is no command {name}{f'; did you mean {near[0]}?' if near else ''} See: commonweal --help", file=sys.stderr)
        raise SystemExit(2)


def overview() -> str:
    """All commands with one line each."""
    width = max(map(len, COMMANDS)) + 2
    listed = "\n".join(f"  {name:<{width}}{text}" for name, text in COMMANDS.items())
    return f"""Usage: commonweal COMMAND [OPTIONS]

Departments publish events, the gate checks them, people read what was released.

Commands:
{listed}

commonweal COMMAND --help tells more; exit codes are in docs/errors.md."""


def _run(name: str, arguments: Sequence[str]) -> None:
    try:
        app = importlib.import_module(f"commonweal.cli.{name}").app
        app(args=list(arguments), prog_name=f"commonweal {name}")
    except (KeyboardInterrupt, SystemExit) as ended:
        if not _is_interrupt(ended):
            raise
        print("Interrupted. What was done by then stays, and isn't done twice: run the command again.", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except CommonwealError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        if error.retryable:
            print("A command is not tried again by itself: run it again when the cause is gone.", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def _is_interrupt(ended: KeyboardInterrupt | SystemExit) -> bool:
    """Whether Ctrl-C broke the command off; Typer turns it into an exit of its own. Where it is how to end one, all is well."""
    if isinstance(ended, SystemExit) and not ended.code:
        return False
    cause: BaseException | None = ended
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__context__
    return cause is not None
