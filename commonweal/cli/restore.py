"""``commonweal restore``: from nothing but a backup and its private key to a platform that goes on where it was."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.errors import ConfigError
from commonweal.settings import load_settings

if TYPE_CHECKING:
    from commonweal.backup.manifest import Topic
    from commonweal.backup.restore import Backup
    from commonweal.settings import Settings

app = typer.Typer(add_completion=False)
LEFT_BY_RESET = "ports.json"


@app.command()
def restore(  # noqa: PLR0913 - one argument per option of the command
    target: Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix, see docs/settings.md")],
    *,
    identity: Annotated[Path, typer.Option(help="File with the private key: AGE-SECRET-KEY-1…")],
    reason: Annotated[str, typer.Option(prompt="Why?", help="Why; it goes into the evidence.")],
    at: Annotated[str | None, typer.Option("--at", help="Name of the backup; by default the newest.")] = None,
    expect: Annotated[str, typer.Option(help="Digest that the manifest must have, as the evidence or its maker told it.")] = "",
    run_dir: Annotated[Path | None, typer.Option("--run-dir", help="Folder of the stack, which must be empty.")] = None,
) -> None:
    """Restore a backup into an empty run folder, and say what must be published again."""
    from commonweal.backup.make import load
    from commonweal.backup.restore import Backup
    from commonweal.backup.sealing import read_identity
    from commonweal.backup.targets import open_target
    from commonweal.evidence import refuse_reason

    settings = load_settings(run_dir)
    refuse_reason("restored", reason)
    refuse_what_is_there(settings)
    place = open_target(target, settings)
    manifest, digest = load(place, at)
    if expect and digest != expect:
        raise ConfigError(
            f"the manifest's digest is {digest[:16]}…, not the expected one; it was changed, or is another backup's"
        )
    topics = _bring_back(settings, Backup(place, manifest, digest, read_identity(identity)), reason)
    tell_what_is_missing(manifest.name, topics)


def _bring_back(settings: "Settings", backup: "Backup", reason: str) -> "tuple[Topic, ...]":
    """Nothing is changed before the last of the checks; from then on until the end the folder is marked."""
    from commonweal.backup.programs import Programs
    from commonweal.backup.restore import check_fits, open_private_files, place_private_files, restore, verify
    from commonweal.cli.screen import console, progress
    from infra.install import postgres_bin
    from infra.stack.board import Board
    from infra.stack.bring_up import RESTORING, STORES, bring_up, bring_up_only

    folder = settings.run_dir
    check_fits(settings, backup.manifest)
    with progress() as tell:
        verify(backup.target, backup.manifest, tell=tell)
    private = open_private_files(backup)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESTORING).touch()
    place_private_files(private, folder)
    programs = Programs(postgres_bin(), bring_up_only(STORES, folder, Board(console())))
    with progress() as tell:
        topics = restore(programs, backup, role="engineer", reason=reason, tell=tell)
    (folder / RESTORING).unlink()
    bring_up(folder, {}, Board(console()))
    return topics


def refuse_what_is_there(settings: "Settings") -> None:
    """Nothing may be in the run folder that a restore would mix with; what it takes to reach the backup may.

    Raises:
        ConfigError: Something is.
    """
    folder, own = settings.run_dir, settings.backup_secret_file
    allowed = {folder / LEFT_BY_RESET, own, *(place for place in own.parents if place != folder)}
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path not in allowed)
    if found:
        raise ConfigError(
            f"{folder} is not empty ({', '.join(found[:5])}): a restore goes into an empty folder only, nothing was changed. "
            f"Name another one with --run-dir, or, if nothing there is needed, run: commonweal stack reset"
        )


def tell_what_is_missing(name: str, topics: "tuple[Topic, ...]") -> None:
    """By topic, since when events are missing; publishing more than is missing adds nothing, since events have stable ids."""
    print(f"\nRestored from backup {name}. What departments sent from these times on is not in it, and must be published again;")
    print("events that are there already add nothing:\n")
    for item in topics:
        known = f", {item.unlanded:,} of them known to the backup" if item.unlanded else ""
        print(f"  {item.topic:<60} from {item.since}{known}")
