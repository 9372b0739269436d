"""Everything lost but a backup and its private key: a new machine goes on where the old one was."""

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from commonweal import bus
from commonweal.apply import apply
from commonweal.backup.make import load
from commonweal.backup.manifest import Manifest
from commonweal.backup.targets import Folder
from commonweal.lake.releases import current_release
from commonweal.ports import Ports, open_ports
from commonweal.settings import load_settings
from commonweal.steps.run import run_with, steps_of
from infra.demo.town import REGISTER
from infra.stack import processes
from infra.stack.bring_up import RESTORING
from infra.stack.take_down import reset, take_down
from tests.conftest import OWNER, temporary_run_dir
from tests.integration.lost import (
    AFTER,
    BEFORE,
    HOTLINE,
    ROWS,
    Producer,
    await_release,
    command,
    content,
    event,
    fails,
    keys,
    landed,
    platform,
    publish_both,
    released_rows,
)

LAST = text("select seq, body::jsonb ->> 'action' as action, encode(hash, 'hex') as hash from evidence order by seq")


@dataclass(frozen=True)
class Lost:
    """What there was, as far as it can be known when it is gone.

    Attributes:
        target: The backup's folder.
        identity: File with the private key.
        manifest: Of the newest backup.
        printed: What making it said.
        copied: Objects that the second backup copied anew.
        acknowledged: By number of each event that wasn't landed, when Kafka had it.
        releases: By dataset, the release that people read.
        content: By dataset, a digest of all its released rows.
        keys: Digest of every key and secret.
        landed: Topic id and landed offsets of the hotline's topic.
    """

    target: Path
    identity: Path
    manifest: Manifest
    printed: str
    copied: int
    acknowledged: dict[int, datetime]
    releases: dict[str, int]
    content: dict[str, str]
    keys: dict[str, str]
    landed: tuple[str, dict[str, int]]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The folder of the stack that will be lost, and of the one after it; also found by the next run if this one is killed."""
    with temporary_run_dir() as made:
        yield made


@pytest.fixture(scope="module")
def lost(folder, tmp_path_factory) -> Lost:
    work = tmp_path_factory.mktemp("kept")
    ports = platform(folder)
    publish_both(ports, work)
    for dataset in (HOTLINE, REGISTER):
        for step in steps_of(ports.contract(dataset)):
            run_with(ports, step, dataset)
    target, identity, producer = work / "target", work / "backup.key", Producer(ports)
    recipient = command(folder, "backup", "keygen", str(identity)).strip()
    producer.send(range(BEFORE))
    command(folder, "backup", "make", str(target), "--recipient", recipient)
    writing = threading.Thread(target=producer.send, args=(range(BEFORE, BEFORE + AFTER),))
    writing.start()
    printed = command(folder, "backup", "make", str(target), "--recipient", recipient)
    writing.join()
    found = Lost(
        target=target,
        identity=identity,
        manifest=load(Folder(target))[0],
        printed=printed,
        copied=int(printed.split("objects, ")[1].split(" ")[0]),
        acknowledged=producer.acknowledged,
        releases={dataset: current_release(ports.engine, dataset).number for dataset in (HOTLINE, REGISTER)},
        content={dataset: content(ports, dataset) for dataset in (HOTLINE, REGISTER)},
        keys=keys(folder),
        landed=landed(ports),
    )
    ports.close()
    ports.engine.dispose()
    reset(folder)
    return found


@pytest.fixture(scope="module")
def restored(folder, lost) -> Iterator[tuple[Ports, str]]:
    """The platform after the restore, with all its programs running, and what the restore said."""
    said = command(folder, "restore", str(lost.target), "--identity", str(lost.identity), "--reason", "the machine burnt")
    processes.record(folder, OWNER, os.getpid())
    ports = open_ports(load_settings(folder))
    yield ports, said
    ports.close()


def test_nothing_is_left_to_restore_from_but_the_backup(folder, lost):
    assert sorted(path.name for path in folder.iterdir()) == ["ports.json"]


def test_a_second_backup_copies_only_what_is_new(lost):
    assert len(lost.manifest.objects) > 20
    assert lost.copied == 0


def test_no_file_of_the_backup_is_plain(lost):
    files = [path for path in lost.target.rglob("*") if path.is_file()]
    sealed = [path for path in files if path.name != "manifest.json"]
    assert len(sealed) > 20
    assert all(path.read_bytes().startswith(b"age-encryption.org/v1\n") for path in sealed)


@pytest.mark.parametrize("harm", ["changed", "cut off", "missing", "manifest"])
@pytest.mark.parametrize("kind", ["database", "secrets", "object"])
def test_a_damaged_backup_is_refused_before_anything_is_changed(folder, lost, tmp_path, kind, harm, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(lost.target, copy)
    file = {"database": lost.manifest.database, "secrets": lost.manifest.secrets, "object": lost.manifest.objects[0].file}[kind]
    path = copy / file.name
    if harm == "changed":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif harm == "cut off":
        path.write_bytes(path.read_bytes()[:-1])
    elif harm == "missing":
        path.unlink()
    else:
        path = copy / "backups" / lost.manifest.name / "manifest.json"
        path.write_bytes(path.read_bytes()[:-20])
    assert fails(folder, "restore", str(copy), "--identity", str(lost.identity), "--reason", "test") == 10
    assert (path.name if harm != "manifest" else "damaged") in capsys.readouterr().err
    assert sorted(item.name for item in folder.iterdir()) == ["ports.json"]


def test_another_private_key_and_another_digest_are_refused(folder, lost, tmp_path, capsys):
    command(folder, "backup", "keygen", str(tmp_path / "other.key"))
    arguments = ["restore", str(lost.target), "--reason", "test", "--identity"]
    assert fails(folder, *arguments, str(lost.identity), "--expect", "0" * 64) == 10
    assert "digest" in capsys.readouterr().err
    assert fails(folder, *arguments, str(tmp_path / "other.key")) == 10
    assert "does not open with this private key" in capsys.readouterr().err
    assert sorted(item.name for item in folder.iterdir()) == ["ports.json"]


def test_keys_and_secrets_are_the_same(folder, lost, restored):
    assert lost.keys
    assert lost.keys.items() <= keys(folder).items()


def test_people_read_the_same(lost, restored):
    ports, _ = restored
    assert {dataset: current_release(ports.engine, dataset).number for dataset in lost.releases} == lost.releases
    assert {dataset: content(ports, dataset) for dataset in lost.content} == lost.content


def test_the_evidence_goes_on(folder, lost, restored):
    ports, _ = restored
    assert "unbroken" in command(folder, "evidence", "verify", "--head", lost.manifest.evidence_hash)
    with ports.engine.begin() as connection:
        entries = connection.execute(LAST).all()
    assert entries[lost.manifest.evidence_seq - 1].hash == lost.manifest.evidence_hash
    assert entries[lost.manifest.evidence_seq].action == "restored"


def test_nothing_is_to_be_applied_and_nothing_can_be_restored_upon_it(folder, lost, restored, capsys):
    ports, _ = restored
    assert apply(ports.settings, plan=True) == []
    assert not (folder / RESTORING).exists()
    assert fails(folder, "restore", str(lost.target), "--identity", str(lost.identity), "--reason", "test") == 10
    assert "not empty" in capsys.readouterr().err


def test_the_topic_is_new_and_begins_where_landing_had_come_to(lost, restored):
    ports, _ = restored
    topic = ports.contract(HOTLINE).topic
    with bus.admin(ports.settings, "admin") as client:
        kafka = bus.topic_id(client, topic), bus.beginning_offsets(client, [topic])[topic]
    topic_id, offsets = landed(ports)
    assert kafka[0] == topic_id != lost.landed[0]
    assert offsets == lost.landed[1]
    assert {str(partition): offset for partition, offset in kafka[1].items()} == offsets


def test_it_says_since_when_events_are_missing_and_they_are_all_it_takes(lost, restored):
    """What wasn't landed was acknowledged after the time that is told; published again, it lands, and nothing is doubled."""
    ports, said = restored
    (topic,) = [item for item in lost.manifest.topics if item.topic == ports.contract(HOTLINE).topic]
    assert BEFORE <= topic.unlanded <= BEFORE + AFTER
    assert f"{topic.unlanded:,} events of {topic.topic}" in lost.printed
    assert f"from {topic.since}, {topic.unlanded:,} of them" in " ".join(said.split())
    assert min(lost.acknowledged.values()) >= datetime.fromisoformat(topic.since)
    before = current_release(ports.engine, HOTLINE).number
    Producer(ports).send(range(BEFORE + AFTER))
    Producer(ports).send(range(BEFORE))
    await_release(ports, before)
    rows = released_rows(ports, HOTLINE, "current")
    assert len(rows) == ROWS + BEFORE + AFTER
    assert {value for row in rows for value in row} >= {event(number).document["case_no"] for number in lost.acknowledged}


def test_a_restore_that_died_is_not_taken_for_a_platform(folder, restored, capsys):
    """Last in this file: the stack is down after it."""
    take_down(folder)
    (folder / RESTORING).touch()
    assert fails(folder, "stack", "up") == 10
    assert "a part of a backup only" in capsys.readouterr().err
    (folder / RESTORING).unlink()
