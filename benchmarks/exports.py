"""Exports of any size, made of a real one; and the messages that publishing makes of them."""

import csv
import gzip
import os
import sys
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import orjson

from commonweal import bus
from commonweal.contract.loader import load_contract
from commonweal.contract.model import Contract
from commonweal.settings import ROOT, Settings
from streams.publish import publishing_secret
from streams.publishing.event import Origin
from streams.publishing.exports import look
from streams.publishing.shares import Standard, check
from streams.publishing.spool import spool

HOTLINE = "hotline.service_request"
EXPORT = ROOT / "infra" / "demo" / "data" / "constituent_services.csv.gz"
EXPORTED_AT = "2025-08-01T00:00:00Z"


def write_requests(path: Path, size: int) -> int:
    """The hotline's real export again and again, each time with other case numbers; returns the bytes."""
    with gzip.open(EXPORT, "rt", encoding="utf-8-sig", newline="") as file, path.open("w", encoding="utf-8", newline="") as out:
        source = csv.reader(file)
        header = next(source)
        key, found = header.index("unique_key"), list(source)
        writer = csv.writer(out)
        writer.writerow(header)
        for number in range(size):
            row = list(found[number % len(found)])
            row[key] = f"{row[key][:4]}{number:08d}"
            writer.writerow(row)
    return path.stat().st_size


def write_messages(export: Path, messages: Path, contract: Contract, settings: Settings) -> None:
    """The messages that publishing sends of an export, lane by lane, one JSON line each: headers, key, value."""
    secret = publishing_secret(settings, contract.department)
    origin = Origin(f"/{contract.department}", "recorded", EXPORTED_AT, None, secret)
    with spool(messages.parent, writers=os.cpu_count() or 1) as checked, messages.open("wb") as out:
        check(look(export), Standard(contract, origin, datetime.now(UTC)), checked, progress=lambda _: None)
        for event in chain.from_iterable(lane.events() for lane in checked.lanes):
            out.write(orjson.dumps([list(origin.headers(event, contract).items()), event.key, event.value]) + b"\n")


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
