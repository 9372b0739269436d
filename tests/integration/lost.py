"""A platform that will be lost: brought up, filled, looked at; and the commands as a person calls them."""

import hashlib
import io
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from rich.console import Console
from sqlalchemy import text

from commonweal import bus
from commonweal.cli import main
from commonweal.lake.names import released_tables
from commonweal.lake.releases import current_release
from commonweal.lake.spark import at
from commonweal.ports import Ports, open_ports
from infra.demo.town import REGISTER, build
from infra.stack.board import Board
from infra.stack.bring_up import LAKEHOUSE, bring_up_only
from streams.publish import Request, publish
from tests.integration.histories import Sent

HOTLINE = "hotline.service_request"
HEADER = "unique_key,account,opendate,closedate,complaint_type,descriptor,zip,borough,city,council_dist,community_board"
ROWS, BEFORE, AFTER = 400, 20, 20
PATIENCE_SECONDS = 780
LANDED = text("select topic_id, offsets from landed_offsets where dataset = :d and topic = :t")


@dataclass
class Producer:
    """A department that never stops: each event is numbered, and its acknowledgement is written down with the time."""

    ports: Ports
    acknowledged: dict[int, datetime] = field(default_factory=dict)

    def send(self, numbers: range) -> None:
        contract = self.ports.contract(HOTLINE)
        with bus.producer(self.ports.settings, "dept-hotline") as producer:
            for number in numbers:
                sent = event(number)
                value = orjson.dumps(sent.document)
                producer.send(contract.topic, key=b"k", value=value, headers=sent.headers(contract)).get(30)
                self.acknowledged[number] = datetime.now(UTC)


def platform(folder: Path) -> Ports:
    """A stack without what starts runs by itself, so that each step runs when the test wants it."""
    return open_ports(bring_up_only(LAKEHOUSE, folder, Board(Console(stderr=True))))


def publish_both(ports: Ports, work: Path) -> None:
    export = work / "requests.csv"
    export.write_text("\n".join([HEADER, *(f"NYCC01{number:06d},NYCC01,2025-01-01,,Noise,,,,,," for number in range(ROWS))]))
    publish(Request(str(export), HOTLINE, exported_at="2025-01-02T00:00:00Z"), ports.settings)
    register = build(work / "town", residents=500).exports[0]
    publish(Request(str(register.path), REGISTER, exported_at=register.exported_at, rejects=work / "rejects.csv"), ports.settings)


def event(number: int) -> Sent:
    document = {"case_no": f"NYCC02{number:06d}", "office_code": "NYCC01", "opened_on": "2025-02-05", "category": "Water"}
    return Sent(f"event-{number}", "recorded", None, datetime(2025, 3, 1, tzinfo=UTC), document)


def released_rows(ports: Ports, dataset: str, name: str) -> list[tuple]:
    made, table = current_release(ports.engine, dataset), released_tables(ports.contract(dataset))[name]
    frame = at(ports.spark, table, made.snapshots[name])
    return sorted((tuple(map(str, row)) for row in frame.select(*sorted(frame.columns)).collect()), key=str)


def content(ports: Ports, dataset: str) -> str:
    """A digest of every column of every row of both tables."""
    rows = {name: released_rows(ports, dataset, name) for name in released_tables(ports.contract(dataset))}
    assert all(rows.values())
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def keys(folder: Path) -> dict[str, str]:
    files = [path for name in ("secrets", "keys") for path in (folder / name).iterdir()]
    return {f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def landed(ports: Ports) -> tuple[str, dict[str, int]]:
    with ports.engine.begin() as connection:
        row = connection.execute(LANDED, {"d": HOTLINE, "t": ports.contract(HOTLINE).topic}).one()
    return row.topic_id, row.offsets


def await_release(ports: Ports, before: int) -> None:
    """By watch and Airflow, and nobody else; not before all has landed and been judged."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        made = current_release(ports.engine, HOTLINE)
        if made.number > before and made.rows["current"] == ROWS + BEFORE + AFTER:
            return
        time.sleep(1)
    pytest.fail(f"{HOTLINE} had no new release with all rows in {PATIENCE_SECONDS} s")


def command(folder: Path, *arguments: str) -> str:
    code, printed = _run(folder, arguments)
    assert code == 0, printed
    return printed


def fails(folder: Path, *arguments: str) -> int:
    return _run(folder, arguments)[0]


def _run(folder: Path, arguments: tuple[str, ...]) -> tuple[int, str]:
    """The command as a person calls it, within this process."""
    printed, patch = io.StringIO(), pytest.MonkeyPatch()
    with patch.context() as changed:
        changed.setenv("COMMONWEAL_RUN_DIR", str(folder))
        changed.setattr("sys.stdout", printed)
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
    return int(ended.value.code or 0), printed.getvalue()
