"""``commonweal rejected``: what landing refused, for those who must answer for it."""

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commonweal.errors import ConfigError
from commonweal.settings import load_settings

if TYPE_CHECKING:
    from commonweal.contract.model import Contract
    from commonweal.identity import Place
    from commonweal.people import Person
    from commonweal.ports import Ports

app = typer.Typer(add_completion=False, no_args_is_help=True)
Dataset = Annotated[str, typer.Argument(help="Id of the dataset: department.name")]
Places = Annotated[list[str], typer.Argument(help="Records as topic:partition:offset, as list shows them")]
Reason = Annotated[str, typer.Option(prompt="Why?", help="Why; it goes into the evidence.")]
Role = Annotated[str, typer.Option("--as", help="The role that you sign in with: engineer, or dept_<department>.")]


@app.command("list")
def list_command(
    dataset: Dataset,
    *,
    fate: Annotated[str, typer.Option(help="open, repaired or dismissed")] = "open",
    most: Annotated[int, typer.Option(help="At most this many.")] = 1000,
    role: Role = "engineer",
    json: Annotated[bool, typer.Option("--json", help="Print as JSON, one record a line.")] = False,
) -> None:
    """List rejected records with their reasons; payloads stay sealed."""
    from commonweal.rejections import list_rejections

    contract, ports, person = _opened(dataset, role)
    found = list_rejections(contract, ports, person, fate=fate, most=most)
    if json:
        for item in found:
            print(
                json_format.dumps(
                    {"place": _text(item.place), "event_id": item.event_id, "reasons": item.reasons, "fate": item.fate}
                )
            )
        return
    from rich.table import Table

    from commonweal.cli.screen import console as screen

    table = Table(box=None, header_style="bold", pad_edge=False, title=f"{dataset}: {len(found):,} {fate}", title_justify="left")
    for name in ("record", "event id", "appended (UTC)", "reasons"):
        table.add_column(name)
    for item in found:
        table.add_row(_text(item.place), item.event_id or "–", f"{item.appended_at:%Y-%m-%d %H:%M:%S}", ", ".join(item.reasons))
    screen().print(table)


@app.command()
def show(dataset: Dataset, records: Places, *, reason: Reason, role: Role = "engineer") -> None:
    """Show payloads; that you saw them is recorded first."""
    from commonweal import rejections

    contract, ports, person = _opened(dataset, role)
    for place, record in rejections.show(contract, ports, person, map(_place, records), reason=reason).items():
        headers = {name: value.decode("utf-8", "replace") if value else None for name, value in record.headers}
        value = record.value.decode("utf-8", "replace") if record.value is not None else None
        print(json_format.dumps({"place": _text(place), "headers": headers, "value": value}, ensure_ascii=False, indent=2))


@app.command()
def repair(
    dataset: Dataset,
    file: Annotated[Path, typer.Argument(help='JSON Lines: {"place": "topic:partition:offset", "document": {…}}')],
    *,
    reason: Reason,
    role: Role = "engineer",
) -> None:
    """Send corrected documents in the place of rejected ones."""
    from commonweal import rejections

    contract, ports, person = _opened(dataset, role)
    repairs = [rejections.Repair(_place(line["place"]), line["document"]) for line in _lines(file)]
    print(
        f"{dataset}: {rejections.repair(contract, ports, person, repairs, reason=reason):,} repaired; they land with the next run"
    )


@app.command()
def replay(dataset: Dataset, records: Places, *, reason: Reason, role: Role = "engineer") -> None:
    """Send rejected records again as they were, after the contract was corrected."""
    from commonweal import rejections

    contract, ports, person = _opened(dataset, role)
    print(f"{dataset}: {rejections.replay(contract, ports, person, map(_place, records), reason=reason):,} sent again")


@app.command()
def dismiss(dataset: Dataset, records: Places, *, reason: Reason, role: Role = "engineer") -> None:
    """Decide that rejected records need no answer."""
    from commonweal import rejections
    from commonweal.lake import lease as leases

    contract, ports, person = _opened(dataset, role)
    with leases.held(ports.engine, dataset, f"{person.role}/dismiss", seconds=ports.settings.lease_seconds) as lease:
        count = rejections.dismiss(contract, ports, lease, person, map(_place, records), reason=reason)
    print(f"{dataset}: {count:,} dismissed; the gate judges anew with the next run")


def _opened(dataset: str, role: str) -> "tuple[Contract, Ports, Person]":
    from commonweal.people import sign_in
    from commonweal.ports import open_ports

    ports = open_ports(load_settings())
    return ports.contract(dataset), ports, sign_in(ports.settings, role)


def _place(text: str) -> "Place":
    from commonweal.identity import Place

    topic, _, rest = text.partition(":")
    partition, _, offset = rest.partition(":")
    if not (topic and partition.isdigit() and offset.isdigit()):
        raise ConfigError("a record is named topic:partition:offset, as commonweal rejected list shows it")
    return Place(topic, int(partition), int(offset))


def _text(place: "Place") -> str:
    return f"{place.topic}:{place.partition}:{place.offset}"


def _lines(file: Path) -> list[dict[str, Any]]:
    try:
        lines = [json_format.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        if all({"place", "document"} == set(line) for line in lines):
            return lines
    except (OSError, ValueError, TypeError):
        pass
    raise ConfigError(f'{file} can\'t be read as JSON Lines of {{"place": …, "document": …}}')
