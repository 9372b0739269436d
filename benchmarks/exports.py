"""Exports of any size, made of real and of invented ones; and the messages that publishing makes of them."""

import csv
import gzip
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from commonweal import bus
from commonweal.contract.loader import load_contract
from commonweal.contract.model import Contract
from commonweal.settings import ROOT, Settings
from infra.demo.town import build
from streams.publish import publishing_secret
from streams.publishing.checking import Checker
from streams.publishing.event import Origin
from streams.publishing.exports import look, rows

HOTLINE = "hotline.service_request"
EXPORT = ROOT / "infra" / "demo" / "data" / "constituent_services.csv.gz"
EXPORTED_AT = "2025-08-01T00:00:00Z"
Rows = list[list[str]]


def write_requests(path: Path, size: int) -> int:
    """The hotline's real export again and again, each time with other case numbers; returns the bytes."""
    with gzip.open(EXPORT, "rt", encoding="utf-8-sig", newline="") as file:
        source = csv.reader(file)
        return _write(path, next(source), list(source), size, "unique_key", lambda key, number: f"{key[:4]}{number:08d}")


def write_entries(path: Path, size: int) -> int:
    """The invented town's household register again and again, each time with other numbers; returns the bytes."""
    with TemporaryDirectory() as folder:
        export = build(Path(folder)).exports[0].path
        with export.open(encoding="utf-8-sig", newline="") as file:
            source = csv.reader(file)
            return _write(path, next(source), list(source), size, "登记编号", lambda _, number: f"R-{number:010d}")


def write_messages(export: Path, messages: Path, contract: Contract, settings: Settings) -> int:
    """The messages that publishing sends of an export, one JSON line each (headers, key, value); returns how many."""
    secret, count = publishing_secret(settings, contract.department), 0
    origin = Origin(f"/{contract.department}", "recorded", EXPORTED_AT, None, secret)
    checker = Checker(contract, origin, datetime.now(UTC))
    with messages.open("wb") as out:
        for row in rows(look(export)):
            event, reasons = checker.check(row)
            if not reasons:
                out.write(orjson.dumps([list(origin.headers(event, contract).items()), event.key, event.value]) + b"\n")
                count += 1
    return count


def produce(messages: Path, contract: Contract) -> list[str]:
    """A program that sends them with kafka-python alone."""
    principal = f"dept-{contract.department}"
    return [sys.executable, "-m", "benchmarks.peers.produce", str(messages), contract.topic, principal]


def commonweal(*arguments: str) -> list[str]:
    """The command line as a person calls it."""
    return [sys.executable, "-c", "from commonweal.cli import main; main()", *arguments]


def ends_of(settings: Settings, dataset: str) -> dict[int, int]:
    """The end offsets of the dataset's topic."""
    topic = load_contract(settings.schemas_dir, dataset).topic
    with bus.admin(settings, "landing") as client:
        return bus.end_offsets(client, [topic])[topic]


def _write(path: Path, header: list[str], found: Rows, size: int, key: str, renamed: Callable[[str, int], str]) -> int:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(_repeated(header.index(key), found, size, renamed))
    return path.stat().st_size


def _repeated(key: int, found: Rows, size: int, renamed: Callable[[str, int], str]) -> Iterator[list[str]]:
    for number in range(size):
        row = list(found[number % len(found)])
        row[key] = renamed(row[key], number)
        yield row
