"""Make a backup of a running system."""

import io
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from commonweal import bus, evidence, store
from commonweal.backup.contents import ROOT, Snapshot, reached, snapshot
from commonweal.backup.manifest import FORMAT, NAME, File, Manifest, Object, Topic, digest, read, written
from commonweal.backup.programs import Programs
from commonweal.backup.sealing import keep, read_recipient, workspace
from commonweal.backup.targets import Target
from commonweal.bus.positions import first_appended
from commonweal.contract.loader import load_datasets
from commonweal.database import database_errors, engine
from commonweal.errors import ConfigError
from commonweal.lake.keeping import all_kept
from commonweal.offsets import Offsets, count
from commonweal.people import Person, may_decide_for_all
from commonweal.ports import PROGRAM, code_version
from commonweal.settings import ROOT as CHECKOUT
from commonweal.settings import Settings

BACKUPS, OBJECTS = "backups", "objects"
AT_ONCE = 4
FOLDERS = ("secrets", "keys", "tls")

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and how much there is."""


@dataclass(frozen=True)
class Made:
    """A backup that was made.

    Attributes:
        manifest: What it holds.
        digest: SHA-256 of the stored manifest, which the evidence has.
        copied: Objects that were copied; the others were in the target already.
    """

    manifest: Manifest
    digest: str
    copied: int


def backup(programs: Programs, target: Target, recipient: str, person: Person, *, tell: Progress) -> Made:
    """Back everything up that the database, as of one instant, needs.

    Args:
        programs: Of PostgreSQL, with the settings of the system.
        target: Where to.
        recipient: age public key; its private half is needed for a restore, and only then.
        person: Who asked for it; goes into the evidence before anything leaves.
        tell: Shown to who waits.

    Raises:
        AccessDeniedError: The person is no engineer; that is in the evidence.
        ConflictError: Another backup, or maintenance, is under way.
        TransientError: A server or the target is unreachable; what was copied is used by the next try.
    """
    settings, key, before = programs.settings, read_recipient(recipient), _objects_before(target)
    may_decide_for_all(engine(settings, PROGRAM), person, "backup")
    begun = evidence.Entry(person.role, "backup_begun", None, {"recipient": recipient})
    evidence.record(engine(settings, PROGRAM), begun)
    with all_kept(engine(settings, PROGRAM)):
        with snapshot(settings) as found, programs.dump(found.id) as dump:
            name = f"{found.at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}"
            tell("database", 0, 1)
            database = keep(target, f"{BACKUPS}/{name}/database.age", dump, key)
        tell("database", 1, 1)
        places = reached(settings, found)
        copier = _Copier(settings, target, recipient, before)
        objects = _copied(copier, places, tell)
        topics = _topics(settings, found)
        secrets = keep(target, f"{BACKUPS}/{name}/secrets.age", io.BytesIO(_private_files(settings)), key)
    manifest = _manifest(name, recipient, found, (database, secrets), objects, topics)
    content = written(manifest)
    _write(target, f"{BACKUPS}/{name}/{NAME}", content)
    made = Made(manifest, digest(content), copier.copied)
    _record(settings, person, made)
    return made


def names(target: Target) -> list[str]:
    """Finished backups in a target, oldest first."""
    ending = f"/{NAME}"
    return [found.split("/")[-2] for found in target.names(BACKUPS) if found.endswith(ending)]


def load(target: Target, name: str | None = None) -> tuple[Manifest, str]:
    """The manifest of a backup, by default of the newest, and its digest.

    Raises:
        ConfigError: There is no such backup, or its manifest is damaged.
    """
    known = names(target)
    if not known or (name is not None and name not in known):
        raise ConfigError(
            f"there is no finished backup{f' {name}' if name else ''} there; there are: {', '.join(known[-5:]) or 'none'}"
        )
    with target.read(f"{BACKUPS}/{name or known[-1]}/{NAME}") as file:
        content = file.read()
    return read(content), digest(content)


@dataclass(frozen=True)
class Position:
    """One topic: its id and how far it was landed in the snapshot, and its id and where it ended soon after."""

    dataset: str
    topic: str
    topic_id: str
    landed: Offsets
    end: Offsets
    topic_id_now: str


class _Copier:
    """Copies objects that the target doesn't have yet."""

    def __init__(self, settings: Settings, target: Target, recipient: str, before: dict[str, Object]) -> None:
        self._store = store.client(settings, ROOT)
        self._target = target
        self._recipient = recipient
        self._before = before
        self.copied = 0

    def copy(self, place: tuple[str, str]) -> Object:
        """The object in the target; recipient and entity tag are in the file's name, so that no other version takes its place."""
        bucket, key = place
        etag, content_type = store.object_about(self._store, bucket, key)
        name = f"{OBJECTS}/{self._recipient}/{bucket}/{key}.{etag}.age"
        known = self._before.get(name)
        if known and self._target.size(name) == known.file.size:
            return known
        with store.stream_object(self._store, bucket, key) as content:
            file = keep(self._target, name, content, read_recipient(self._recipient))
        self.copied += 1
        return Object(bucket=bucket, key=key, etag=etag, content_type=content_type, file=file)


def _objects_before(target: Target) -> dict[str, Object]:
    """By file, what the newest backup there holds."""
    known = names(target)
    return {item.file.name: item for item in load(target, known[-1])[0].objects} if known else {}


def _copied(copier: _Copier, places: list[tuple[str, str]], tell: Progress) -> tuple[Object, ...]:
    objects = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for item in pool.map(copier.copy, places):
            objects.append(item)
            tell("objects", len(objects), len(places))
    return tuple(objects)


def _topics(settings: Settings, found: Snapshot) -> tuple[Topic, ...]:
    """Read after the snapshot, so that whatever was acknowledged before it counts; also topics that were never landed."""
    landed = {(dataset, topic): (topic_id, offsets) for dataset, topic, topic_id, offsets in found.landed}
    for contract in load_datasets(settings.schemas_dir).contracts.values():
        if contract.kind == "source":
            landed |= {key: ("", {}) for topic in contract.topics if (key := (contract.id, topic)) not in landed}
    with bus.admin(settings, "admin") as client:
        names = [topic for _, topic in landed]
        ends, ids = bus.end_offsets(client, names), bus.topic_ids(client, names)
    return tuple(
        _topic(settings, found.at, Position(dataset, topic, topic_id, offsets, ends.get(topic, {}), ids.get(topic, topic_id)))
        for (dataset, topic), (topic_id, offsets) in sorted(landed.items())
    )


def _topic(settings: Settings, at: datetime, stood: Position) -> Topic:
    # A topic that was made anew holds other events under the same offsets: none of them has landed.
    landed = stood.landed if stood.topic_id in ("", stood.topic_id_now) else {}
    unlanded = count(landed, stood.end)
    first = first_appended(settings, stood.topic, landed, stood.end) if unlanded else None
    return Topic(
        dataset=stood.dataset,
        topic=stood.topic,
        topic_id=stood.topic_id,
        landed={str(partition): offset for partition, offset in stood.landed.items()},
        unlanded=unlanded,
        since=min(first or at, at).astimezone(UTC).isoformat(timespec="milliseconds"),
    )


def _private_files(settings: Settings) -> bytes:
    """Keys, secrets and certificates as a tar, in memory only."""
    folders = dict(zip(FOLDERS, (settings.secrets_dir, settings.keys_dir, settings.kafka_ca.parent), strict=True))
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for folder, path in folders.items():
            for file in sorted(item for item in path.iterdir() if item.is_file() and not item.name.startswith(".")):
                _add(tar, f"{folder}/{file.name}", file)
    return content.getvalue()


def _add(tar: tarfile.TarFile, name: str, file: Path) -> None:
    data, entry = file.read_bytes(), tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), file.stat().st_mode & 0o777
    tar.addfile(entry, io.BytesIO(data))


def _manifest(
    name: str, recipient: str, found: Snapshot, files: tuple[File, File], objects: tuple[Object, ...], topics: tuple[Topic, ...]
) -> Manifest:
    return Manifest(
        format=FORMAT,
        name=name,
        made_at=found.at.astimezone(UTC).isoformat(),
        code_version=code_version(CHECKOUT),
        schema_version=found.schema_version,
        recipient=recipient,
        evidence_seq=found.evidence_seq,
        evidence_hash=found.evidence_hash,
        database=files[0],
        secrets=files[1],
        objects=objects,
        topics=topics,
    )


def _write(target: Target, name: str, content: bytes) -> None:
    with workspace() as folder:
        path = folder / NAME
        path.write_bytes(content)
        target.write(name, path)


def _record(settings: Settings, person: Person, made: Made) -> None:
    """The manifest's digest in the evidence: whoever restores can ask an auditor for it."""
    details = {
        "backup": made.manifest.name,
        "manifest": made.digest,
        "recipient": made.manifest.recipient,
        "objects": len(made.manifest.objects),
        "copied": made.copied,
    }
    with database_errors("recording the backup"), engine(settings, PROGRAM).begin() as connection:
        evidence.append(connection, evidence.Entry(person.role, "backed_up", None, details))
