"""What one snapshot of the database says: which objects it reaches, where topics stood, where the evidence ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from pyiceberg.io import FileIO, load_file_io
from pyiceberg.serializers import FromInputFile

from commonweal import evidence
from commonweal.database import database_url
from commonweal.errors import ConfigError, DataLossError, TransientError
from commonweal.offsets import Offsets, from_json
from commonweal.settings import Settings

OWNER = "commonweal"
ROOT = "root"
POINTERS = "select metadata_location from iceberg_tables where metadata_location is not null order by 1"
REPORTS = "select report_key from gate_result order by 1"
LANDED = "select dataset, topic, topic_id, offsets from landed_offsets order by dataset, topic"
MOMENT = "select transaction_timestamp() as at, pg_export_snapshot() as snapshot"
VERSION = "select version_num from alembic_version"


@dataclass(frozen=True)
class Snapshot:
    """One instant of the database.

    Attributes:
        id: For ``pg_dump``, while the transaction is open.
        at: The instant, by the database's clock.
        pointers: By table, the address of its metadata.
        reports: Keys of reports, without their endings.
        landed: Dataset, topic, topic id and landed offsets.
        evidence_seq: Entries in the evidence log.
        evidence_hash: Its head, in hex.
        schema_version: Of the tables.
    """

    id: str
    at: datetime
    pointers: tuple[str, ...]
    reports: tuple[str, ...]
    landed: tuple[tuple[str, str, str, Offsets], ...]
    evidence_seq: int
    evidence_hash: str
    schema_version: str


@contextmanager
def snapshot(settings: Settings) -> Iterator[Snapshot]:
    """The database as of now; it can be dumped within the block.

    Raises:
        TransientError: The database is unreachable.
    """
    try:
        with _connect(settings) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            moment, head = connection.execute(MOMENT).fetchone(), connection.execute(evidence.HEAD).fetchone()
            version = connection.execute(VERSION).fetchone()
            if moment is None or version is None:
                raise ConfigError("the database has no tables of the platform; run: commonweal apply")
            yield Snapshot(
                id=moment.snapshot,
                at=moment.at,
                pointers=tuple(row.metadata_location for row in connection.execute(POINTERS)),
                reports=tuple(row.report_key for row in connection.execute(REPORTS)),
                landed=tuple(
                    (row.dataset, row.topic, row.topic_id, from_json(row.offsets)) for row in connection.execute(LANDED)
                ),
                evidence_seq=head.seq if head else 0,
                evidence_hash=head.hash if head else "",
                schema_version=version.version_num,
            )
    except psycopg.OperationalError:
        raise TransientError(
            "PostgreSQL is unreachable or ended the connection; is it running? see: commonweal stack status"
        ) from None


def reached(settings: Settings, found: Snapshot) -> list[tuple[str, str]]:
    """Bucket and key of every object that a snapshot of the database needs, in order.

    Raises:
        DataLossError: A file of a table is gone.
        TransientError: The store is unreachable.
    """
    files = {(settings.bucket_reports, f"{key}.{ending}") for key in found.reports for ending in ("html", "json")}
    io, seen = _lake_files(settings), set[str]()
    try:
        for pointer in found.pointers:
            files |= {_placed(path) for path in _whole_table(io, pointer, seen)}
    except OSError as error:
        raise TransientError(f"a table's metadata can't be read ({type(error).__name__}); is the object store running?") from None
    return sorted(files)


def _whole_table(io: FileIO, pointer: str, seen: set[str]) -> set[str]:
    try:
        return set(_reached_by_table(io, pointer, seen))
    except FileNotFoundError:
        raise DataLossError(
            f"a file of the table with the metadata {pointer} is gone from the store; no backup was made, since it could not be "
            f"restored. Rebuild that dataset, or restore an earlier backup; see docs/runbooks/lost-everything.md"
        ) from None


def _reached_by_table(io: FileIO, pointer: str, seen: set[str]) -> Iterator[str]:
    """Metadata, manifest lists, manifests, data and statistics; ``seen`` are manifests read before."""
    metadata = FromInputFile.table_metadata(io.new_input(pointer))
    yield pointer
    for statistics in (*metadata.statistics, *metadata.partition_statistics):
        yield statistics.statistics_path
    for made in metadata.snapshots:
        yield made.manifest_list
        for manifest in made.manifests(io):
            if manifest.manifest_path not in seen:
                seen.add(manifest.manifest_path)
                yield manifest.manifest_path
                yield from (entry.data_file.file_path for entry in manifest.fetch_manifest_entry(io))


def _placed(path: str) -> tuple[str, str]:
    bucket, _, key = path.removeprefix("s3://").partition("/")
    return bucket, key


def _lake_files(settings: Settings) -> FileIO:
    login = {"s3.access-key-id": ROOT, "s3.secret-access-key": settings.secret(f"minio-{ROOT}")}
    place = {"s3.endpoint": settings.s3_endpoint, "s3.region": settings.s3_region, "s3.path-style-access": "true"}
    return load_file_io({"py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO", **place, **login})


def _connect(settings: Settings) -> "psycopg.Connection[Any]":
    url = database_url(settings, OWNER)
    return psycopg.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        dbname=url.database,
        connect_timeout=10,
        row_factory=namedtuple_row,
    )
