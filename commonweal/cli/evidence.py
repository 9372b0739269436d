"""``commonweal evidence``: the proof of who published, passed, received and refused what, for auditors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.errors import ContractError
from commonweal.settings import load_settings

if TYPE_CHECKING:
    from commonweal.evidence import Link

app = typer.Typer(add_completion=False, no_args_is_help=True)
File = Annotated[Path | None, typer.Argument(help="An exported log; without one, the platform's own")]
Role = Annotated[str, typer.Option("--as", help="The role that you sign in with.")]


@app.command()
def verify(
    file: File = None,
    *,
    head: Annotated[str | None, typer.Option(help="Hash that a released event carried: must be in the log.")] = None,
    role: Role = "auditor",
) -> None:
    """Check that no entry was changed, removed or put in between; works offline on an export."""
    from commonweal.evidence import first_break

    links = list(_from_file(file) if file else _from_database(role))
    broken = first_break(links)
    if broken:
        raise ContractError(
            f"the evidence log breaks at entry {broken} of {len(links)}: entries were changed, removed or put in between"
        )
    if head and head not in {link.hash.hex() for link in links}:
        raise ContractError(
            f"the evidence log has no entry with the hash {head[:16]}…: its end was cut off after {len(links)} entries"
        )
    print(f"{len(links):,} entries, unbroken; head {links[-1].hash.hex() if links else 'none'}")


@app.command()
def export(file: Annotated[Path, typer.Argument(help="Where to; JSON Lines")], *, role: Role = "auditor") -> None:
    """Write the log as JSON Lines: seq, body, prev_hash, hash; SHA-256 of prev_hash and body gives hash."""
    count = 0
    with file.open("w", encoding="utf-8") as out:
        for link in _from_database(role):
            out.write(
                json.dumps({"seq": link.seq, "body": link.body, "prev_hash": link.prev_hash.hex(), "hash": link.hash.hex()})
                + "\n"
            )
            count += 1
    print(f"{count:,} entries in {file}")


def _from_database(role: str) -> "Iterator[Link]":
    from sqlalchemy import text

    from commonweal.database import database_errors, engine
    from commonweal.evidence import Link
    from commonweal.people import sign_in

    settings = load_settings()
    sign_in(settings, role)
    with database_errors("reading the evidence log"), engine(settings, role).begin() as connection:
        for row in connection.execution_options(yield_per=10_000).execute(
            text("select seq, body, prev_hash, hash from evidence order by seq")
        ):
            yield Link(row.seq, row.body, bytes(row.prev_hash), bytes(row.hash))


def _from_file(file: Path) -> "Iterator[Link]":
    from commonweal.evidence import Link

    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            yield Link(entry["seq"], entry["body"], bytes.fromhex(entry["prev_hash"]), bytes.fromhex(entry["hash"]))
        except (ValueError, KeyError, TypeError):
            raise ContractError(f"{file}: line {number} is not an entry of an evidence log") from None
