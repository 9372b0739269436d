"""Restore a backup into servers that hold nothing, so that the platform goes on where the backup was made.

Nothing is changed before every file was read and compared with the manifest. Topics are new, and Kafka numbers their records
from 0; landed rows are known by topic, partition and offset, also where identifiers are sealed. So each topic is made to begin
where its landing had come to, before anybody has a right to write to it; then the database learns the topics' new ids, with the
evidence.
"""

import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from commonweal import bus, evidence, store
from commonweal.apply import apply
from commonweal.backup.contents import ROOT
from commonweal.backup.make import AT_ONCE, FOLDERS, Progress
from commonweal.backup.manifest import Manifest, Object, Topic
from commonweal.backup.programs import Programs
from commonweal.backup.sealing import check, unseal
from commonweal.backup.targets import Target
from commonweal.bus.positions import begin_at
from commonweal.contract.loader import load_contracts
from commonweal.contract.model import Contract
from commonweal.database import database_errors, engine
from commonweal.errors import ConfigError, ConflictError
from commonweal.migrations import FOLDER as MIGRATIONS
from commonweal.people import Person
from commonweal.ports import PROGRAM
from commonweal.settings import Settings

TOPIC_ID = text("""
update landed_offsets set topic_id = :new where dataset = :dataset and topic = :topic and topic_id = :old
""")


@dataclass(frozen=True)
class Backup:
    """A backup that can be opened.

    Attributes:
        target: Where it is.
        manifest: What it holds.
        digest: Of the stored manifest.
        identity: age private key.
    """

    target: Target
    manifest: Manifest
    digest: str
    identity: Any


def verify(target: Target, manifest: Manifest, *, tell: Progress) -> None:
    """Read every file whole and compare it with the manifest.

    Raises:
        ConfigError: A file is missing, has another size, or was changed; the message names it.
        TransientError: The target is unreachable.
    """
    files = manifest.files
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done, _ in enumerate(pool.map(lambda file: check(target, file), files), start=1):
            tell("files checked", done, len(files))


def check_fits(settings: Settings, manifest: Manifest) -> None:
    """Whether this release of the software, with these settings, can take the backup.

    Raises:
        ConfigError: Its tables are of a newer release, or its buckets have other names.
        ContractError: A contract is broken, so that nothing could be applied.
    """
    load_contracts(settings.schemas_dir)
    known = {revision.revision for revision in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if manifest.schema_version not in known:
        made_by = manifest.code_version
        raise ConfigError(
            f"the backup's tables are of version {manifest.schema_version}, unknown here; use the code that made it: {made_by}"
        )
    buckets = {settings.bucket_landing, settings.bucket_lakehouse, settings.bucket_reports}
    foreign = sorted({item.bucket for item in manifest.objects} - buckets)
    if foreign:
        raise ConfigError(f"the backup holds objects of buckets {', '.join(foreign)}; name them so in the settings")


def open_private_files(backup: Backup) -> io.BytesIO:
    """Keys, secrets and certificates, in memory.

    Raises:
        ConfigError: The private key does not open this backup.
    """
    content = io.BytesIO()
    unseal(backup.target, backup.manifest.secrets, backup.identity, content)
    content.seek(0)
    return content


def place_private_files(content: io.BytesIO, run_dir: Path) -> None:
    """Put keys, secrets and certificates into an empty run folder.

    Raises:
        ConfigError: The bundle holds what does not belong there.
    """
    with tarfile.open(fileobj=content) as tar:
        for entry in tar:
            _place(run_dir, entry, tar)


def restore(programs: Programs, backup: Backup, *, role: str, reason: str, tell: Progress) -> tuple[Topic, ...]:
    """Bring database, objects and topics back into servers that hold nothing.

    Args:
        programs: Of PostgreSQL, with the settings of the empty system.
        backup: What is brought back; verified before.
        role: Who restores, for the evidence.
        reason: Why, for the evidence.
        tell: Shown to who waits.

    Returns:
        The topics, each with the time since when its events must be published again.

    Raises:
        ConfigError: A file does not open, or the database does not take the dump.
        ConflictError: The servers aren't empty.
        TransientError: A server is unreachable.
    """
    settings = programs.settings
    contracts = tuple(load_contracts(settings.schemas_dir).values())
    tell("database", 0, 1)
    with programs.load() as database:
        unseal(backup.target, backup.manifest.database, backup.identity, database)
    tell("database", 1, 1)
    apply(settings, only=("postgres", "minio"))
    _restore_objects(settings, backup, tell)
    ids = _restore_topics(settings, contracts, backup.manifest.topics, tell)
    apply(settings, only=("kafka",))
    _record(settings, backup, Person(role, None), reason, ids)
    return backup.manifest.topics


def _place(run_dir: Path, entry: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
    folder, _, name = entry.name.partition("/")
    content = tar.extractfile(entry) if entry.isfile() else None
    if folder not in FOLDERS or not name or "/" in name or name.startswith(".") or content is None:
        raise ConfigError("the backup's bundle of keys holds a file that does not belong there; use another backup")
    (run_dir / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(run_dir / folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return  # the one file that may be there, the secret by which the backup is reached, is newer than the backup's
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, entry.mode & 0o777)
        file.write(content.read())


def _restore_objects(settings: Settings, backup: Backup, tell: Progress) -> None:
    root, objects = store.client(settings, ROOT), backup.manifest.objects

    def put(item: Object) -> None:
        with TemporaryFile() as plain:  # without a name: the plain bytes can't outlive this program
            unseal(backup.target, item.file, backup.identity, plain)
            store.upload(root, item.bucket, item.key, plain, content_type=item.content_type)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done, _ in enumerate(pool.map(put, objects), start=1):
            tell("objects", done, len(objects))


def _restore_topics(
    settings: Settings, contracts: tuple[Contract, ...], topics: tuple[Topic, ...], tell: Progress
) -> dict[str, str]:
    """Make the topics begin where landing had come to, before any principal has a right; returns their new ids."""
    from commonweal.apply.kafka import apply_topics

    apply_topics(settings, contracts)
    wanted = {topic for contract in contracts for topic in contract.topics}
    landed = [item for item in topics if item.topic in wanted and item.topic_id]
    with bus.admin(settings, "admin") as client:
        for done, item in enumerate(landed, start=1):
            begin_at(settings, client, item.topic, {int(partition): offset for partition, offset in item.landed.items()})
            tell("topics", done, len(landed))
        return bus.topic_ids(client, [item.topic for item in landed])


def _record(settings: Settings, backup: Backup, person: Person, reason: str, ids: dict[str, str]) -> None:
    manifest = backup.manifest
    moved = [
        {"dataset": item.dataset, "topic": item.topic, "old": item.topic_id, "new": ids[item.topic], "offsets": item.landed}
        for item in manifest.topics
        if item.topic in ids
    ]
    details = {"backup": manifest.name, "manifest": backup.digest, "reason": reason, "topics": moved}
    with database_errors("recording the restore"), engine(settings, PROGRAM).begin() as connection:
        _check_head(connection, manifest)
        for item in moved:
            if connection.execute(TOPIC_ID, item).rowcount != 1:
                raise ConflictError(
                    f"{item['dataset']}: topic {item['topic']} is not the one of the backup; reset and restore again"
                )
        evidence.append(connection, evidence.Entry(person.role, "restored", None, details))


def _check_head(connection: Connection, manifest: Manifest) -> None:
    head = connection.execute(text(evidence.HEAD)).first()
    if (head.seq if head else 0, head.hash if head else "") != (manifest.evidence_seq, manifest.evidence_hash):
        raise ConfigError("the restored evidence does not end where the manifest says; the backup was changed; use another one")
