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
    from commonweal.people import Decision, Person
    from commonweal.ports import Ports
    from commonweal.repairs import Repair

app = typer.Typer(add_completion=False, no_args_is_help=True)
Dataset = Annotated[str, typer.Argument(help="Id of the dataset: department.name")]
Places = Annotated[list[str], typer.Argument(help="Records as topic:partition:offset, as list shows them")]
Reason = Annotated[str, typer.Option(prompt="Why?", help="Why; it goes into the evidence.")]
SHAPE = 'each line is {"place": "topic:partition:offset", "document": {…}}, and "headers": {…} where the envelope was rejected'
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

    contract, ports, person = _opened(dataset, role, "list")
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

    contract, ports, person = _opened(dataset, role, "show")
    for place, record in rejections.show(contract, ports, person, map(_place, records), reason=reason).items():
        headers = {name: value.decode("utf-8", "replace") if value else None for name, value in record.headers}
        value = record.value.decode("utf-8", "replace") if record.value is not None else None
        print(json_format.dumps({"place": _text(place), "headers": headers, "value": value}, ensure_ascii=False, indent=2))


@app.command()
def repair(
    dataset: Dataset,
    file: Annotated[
        Path, typer.Argument(help='JSON Lines: {"place": "topic:partition:offset", "document": {…}, "headers": {…}}')
    ],
    *,
    reason: Reason,
    role: Role = "engineer",
) -> None:
    """Send corrected records in the place of rejected ones; all are checked as landing will, and all are sent or none.

    "headers" is for records whose envelope was rejected: the right value of a header that landing found fault with, as
    {"ce_source": "/department/system"}, or null to leave it out. What was valid stays; see the reasons in: rejected list.
    """
    from commonweal import rejections

    contract, ports, person = _opened(dataset, role, "repair")
    count = rejections.repair(contract, ports, person, _repairs(file), reason=reason)
    print(f"{dataset}: {count:,} repaired; they land with the next run")


@app.command()
def replay(dataset: Dataset, records: Places, *, reason: Reason, role: Role = "engineer") -> None:
    """Send rejected records again as they were, after the contract was corrected; all are sent, or none."""
    from commonweal import rejections

    contract, ports, person = _opened(dataset, role, "replay")
    print(f"{dataset}: {rejections.replay(contract, ports, person, map(_place, records), reason=reason):,} sent again")


@app.command()
def dismiss(dataset: Dataset, records: Places, *, reason: Reason, role: Role = "engineer") -> None:
    """Decide that rejected records need no answer."""
    from commonweal import rejections
    from commonweal.lake import lease as leases

    contract, ports, person = _opened(dataset, role, "dismiss")
    with leases.held(ports.engine, dataset, f"{person.role}/dismiss", seconds=ports.settings.lease_seconds) as lease:
        count = rejections.dismiss(contract, ports, lease, person, map(_place, records), reason=reason)
    print(f"{dataset}: {count:,} dismissed; the gate judges anew with the next run")


def _opened(dataset: str, role: str, decision: "Decision") -> "tuple[Contract, Ports, Person]":
    from commonweal.people import decider
    from commonweal.ports import open_ports

    ports = open_ports(load_settings())
    contract = ports.contract(dataset)
    return contract, ports, decider(contract, ports, role, decision)


def _place(text: str) -> "Place":
    from commonweal.identity import Place

    topic, _, rest = text.partition(":")
    partition, _, offset = rest.partition(":")
    if not (topic and partition.isdigit() and offset.isdigit()):
        raise ConfigError("a record is named topic:partition:offset, as commonweal rejected list shows it")
    return Place(topic, int(partition), int(offset))


def _text(place: "Place") -> str:
    return f"{place.topic}:{place.partition}:{place.offset}"


def _repairs(file: Path) -> "list[Repair]":
    """The file's repairs, read as landing reads a document: what two parsers could read differently is refused."""
    from commonweal.decoding.document import parse

    try:
        lines = [parse(line)[0] for line in file.read_bytes().splitlines() if line.strip()]
    except OSError:
        lines = []
    repairs = [_repair(line) for line in lines if line is not None]
    if not repairs or len(repairs) < len(lines):
        raise ConfigError(f"{file} holds no JSON Lines, or {len(lines) - len(repairs)} lines that are no JSON object; {SHAPE}")
    return repairs


def _repair(line: "dict[str, Any]") -> "Repair":
    from commonweal.repairs import Repair

    match line:
        case {"place": str(place), "document": dict(document), **more} if not set(more) - {"headers"}:
            headers = more.get("headers", {})
            if isinstance(headers, dict) and all(isinstance(value, str | None) for value in headers.values()):
                return Repair(_place(place), document, headers)
    raise ConfigError(f"a line of the repairs is not of this shape; {SHAPE}")
