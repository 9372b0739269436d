"""The demo's story: real and invented departments publish, the gate refuses one of them, a person repairs it, people read.

Run again, it publishes nothing anew: files are known by their journal, events by the same mark.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live

from commonweal import bus
from commonweal.cli.releases import releases_table
from commonweal.cli.status import read, table
from commonweal.errors import TransientError
from commonweal.lake.releases import list_releases
from commonweal.overview import DatasetStatus
from commonweal.people import sign_in
from commonweal.ports import Ports, open_ports
from commonweal.settings import Settings
from infra.demo.town import CASES, DirectEvent, Ledger, build
from infra.stack.board import Board
from infra.stack.bring_up import bring_up
from streams.publish import Request, publish
from streams.publishing.journal import Journal

HOTLINE = "hotline.service_request"
HOTLINE_EXPORT = Path(__file__).parent / "data" / "constituent_services.csv.gz"
HOTLINE_EXPORTED_AT = "2023-01-03T00:00:00Z"
PATIENCE_SECONDS = 20 * 60
REPAIR_REASON = "read again from the paper form"


def tell(run_dir: Path, console: Console) -> None:
    """Run the demo to its end.

    Raises:
        TransientError: The releases did not come in time; the message says where to look.
    """
    began = time.monotonic()
    console.rule("[bold]1  The stack[/]", align="left")
    settings = bring_up(run_dir, {}, Board(console))
    console.rule("[bold]2  Departments publish[/]", align="left")
    town = build(run_dir / "demo")
    _publish_all(settings, town, run_dir / "demo", console)
    console.rule("[bold]3  Airflow notices, Spark lands, cleans and joins, the gate judges[/]", align="left")
    ports, told = open_ports(settings), set[str]()
    wait(ports, console, told, has_judged_cases)
    repair_cases(ports, town, console)
    wait(ports, console, told, all_released)
    console.rule("[bold]4  What people read now[/]", align="left")
    console.print(releases_table(list_releases(ports.engine), {}))
    console.print(_where_to_look(settings, time.monotonic() - began))


def _publish_all(settings: Settings, town: Ledger, folder: Path, console: Console) -> None:
    files = [(HOTLINE, HOTLINE_EXPORT, HOTLINE_EXPORTED_AT)]
    files += [(export.dataset, export.path, export.exported_at) for export in town.exports]
    for dataset, path, exported_at in files:
        began = time.monotonic()
        with console.status(f"{path.name} → {dataset}"):
            request = Request(str(path), dataset, exported_at=exported_at, rejects=folder / f"{path.name}.rejects")
            outcome = publish(request, settings)
        bad = f", [yellow]{outcome.bad:,} bad rows kept back[/]" if outcome.bad else ""
        console.print(
            f"  {dataset}: {path.name}: {outcome.outcome}, {outcome.sent:,} events{bad} ({time.monotonic() - began:.0f} s)"
        )
    sent = send_direct(settings, town.direct)
    wrong = f", {len(town.wrong)} of them wrong" if sent else ""
    console.print(f"  {CASES}: by the department's own producer, unchecked: {sent:,} events{wrong}")


def send_direct(settings: Settings, events: Iterable[DirectEvent]) -> int:
    """Write events as a department's own system would, once; returns how many were sent now."""
    waiting, department = list(events), CASES.split(".")[0]
    journal = Journal(settings.run_dir / "publish" / department)
    mark = hashlib.sha256(b"".join(event.event_id.encode() + event.value for event in waiting)).hexdigest()
    if journal.events(mark) is not None:
        return 0
    with bus.producer(settings, f"dept-{department}") as producer:
        for event in waiting:
            producer.send(f"{CASES}.v1", key=event.key, value=event.value, headers=list(event.headers))
        producer.flush()
    journal.add(mark, CASES, len(waiting))
    return len(waiting)


def wait(ports: Ports, console: Console, told: set[str], is_done: Callable[[list[DatasetStatus]], bool]) -> None:
    """Show where every dataset stands until it is done; each verdict and release is told once.

    Args:
        ports: The stack.
        console: Where it is told.
        told: What was told before; what is told now is added.
        is_done: Whether to stop.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            found = _read(ports, deadline)
            for line in _news(found):
                if line not in told:
                    told.add(line)
                    console.print(f"  {datetime.now(UTC):%H:%M:%S}  {line}")
            if is_done(found):
                return
            if console.is_terminal:
                live.update(table(found), refresh=True)
            if time.monotonic() > deadline:
                raise TransientError(
                    f"the releases did not come in {PATIENCE_SECONDS // 60} minutes; see: commonweal status, stack logs"
                )
            time.sleep(1)


def _read(ports: Ports, deadline: float) -> list[DatasetStatus]:
    """Where every dataset stands; a service that doesn't answer is asked again, since it may be starting anew."""
    while True:
        try:
            return read(ports)
        except TransientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _news(found: list[DatasetStatus]) -> Iterable[str]:
    for item in found:
        if item.gate == "refused":
            yield f"{item.dataset}: [red]refused[/] by the gate; people keep what they have"
        if item.release:
            yield f"{item.dataset}: [green]release {item.release}[/], {item.rows:,} rows"


def has_judged_cases(found: list[DatasetStatus]) -> bool:
    """The gate has judged what there is of assistance cases."""
    cases = next(item for item in found if item.dataset == CASES)
    return bool(cases.gate) and not {"landed < end", "cleaned < landed"} & set(cases.work.reasons)


def all_released(found: list[DatasetStatus]) -> bool:
    """Every dataset has a release, and nothing waits."""
    return all(item.release and not item.work.reasons for item in found)


def repair_cases(ports: Ports, town: Ledger, console: Console) -> None:
    """What the department's people do: look at the rejected events, correct each, send them again."""
    from commonweal.rejections import list_rejections, repair
    from commonweal.repairs import Repair

    contract, person = ports.contract(CASES), sign_in(ports.settings, f"dept_{CASES.split('.')[0]}")
    right = {event.event_id: event.right for event in town.wrong}
    open_ones = [item for item in list_rejections(contract, ports, person) if item.event_id in right]
    if open_ones:
        repairs = [Repair(item.place, right[str(item.event_id)]) for item in open_ones]
        count = repair(contract, ports, person, repairs, reason=REPAIR_REASON)
        console.print(f"  {datetime.now(UTC):%H:%M:%S}  {CASES}: {count} rejected events [green]repaired[/] by its department")


def _where_to_look(settings: Settings, seconds: float) -> str:
    secret = settings.secrets_dir
    return f"""
Done in {seconds:.0f} s. Where to look:
  Airflow          {settings.airflow_url}   engineer / cat {secret / "airflow-engineer"}
                   {" " * len(settings.airflow_url)}   auditor  / cat {secret / "airflow-auditor"}
  Every dataset    .venv/bin/commonweal status
  Reports          .venv/bin/commonweal report {CASES}
  Released data    .venv/bin/commonweal query data_bureau.community_issues --purpose open_data
  The proof        .venv/bin/commonweal evidence verify
  Stop             .venv/bin/commonweal stack down
"""
