"""``commonweal backup``: keep everything, encrypted, while all is running."""

from pathlib import Path
from typing import Annotated

import typer

from commonweal.settings import load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True)
Where = Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix, see docs/settings.md")]
Which = Annotated[str | None, typer.Option("--at", help="Name of the backup; by default the newest.")]


@app.command()
def keygen(file: Annotated[Path, typer.Argument(help="Where the private key goes; keep it away from this machine")]) -> None:
    """Make a pair of keys: the private one into a new file, the public one is printed."""
    from commonweal.backup.sealing import make_identity

    print(make_identity(file))


@app.command()
def make(
    target: Where,
    *,
    recipient: Annotated[str, typer.Option(help="Public key that everything is encrypted to: age1…")],
    role: Annotated[str, typer.Option("--as", help="The role that you sign in with.")] = "engineer",
) -> None:
    """Back up database, keys, objects and the topics' positions; what is there already is not copied again."""
    from commonweal.backup.make import backup
    from commonweal.backup.programs import Programs
    from commonweal.backup.targets import open_target
    from commonweal.cli.screen import progress
    from commonweal.people import decider_for_all
    from commonweal.ports import open_ports
    from infra.install import postgres_bin

    settings = load_settings()
    person = decider_for_all(open_ports(settings), role, "backup")
    with progress() as tell:
        made = backup(Programs(postgres_bin(), settings), open_target(target, settings), recipient, person, tell=tell)
    print(f"backup {made.manifest.name}: {len(made.manifest.objects):,} objects, {made.copied:,} of them copied now")
    print(f"evidence: {made.manifest.evidence_seq:,} entries; digest of the manifest: {made.digest}")
    for item in made.manifest.topics:
        if item.unlanded:
            print(f"not in it, since not landed: {item.unlanded:,} events of {item.topic}, sent from {item.since} on")


@app.command()
def verify(target: Where, *, at: Which = None) -> None:
    """Read every file of a backup and compare it with its manifest; needs no private key."""
    from commonweal.backup.make import load
    from commonweal.backup.restore import verify as check
    from commonweal.backup.targets import open_target
    from commonweal.cli.screen import progress

    place = open_target(target, load_settings())
    manifest, digest = load(place, at)
    with progress() as tell:
        check(place, manifest, tell=tell)
    print(f"backup {manifest.name}: {len(manifest.files):,} files, none missing or changed; digest of the manifest: {digest}")
