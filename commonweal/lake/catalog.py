"""The lake's catalog through pyiceberg: tables, snapshots and refs, without Spark."""

from functools import lru_cache
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.table import Table
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from commonweal.database import database_url
from commonweal.errors import ConfigError, ConflictError
from commonweal.lake.names import CATALOG, TableId
from commonweal.settings import Settings

REF_ATTEMPTS = 12
"""Ref operations don't retry inside Iceberg; each try is one metadata file of a few kilobytes."""


@lru_cache(maxsize=8)
def catalog(settings: Settings, program: str) -> SqlCatalog:
    """The catalog as one program sees it: its database role, and its user of the object store."""
    properties = {
        "uri": database_url(settings, program).render_as_string(hide_password=False),
        "init_catalog_tables": "false",
        "pool_pre_ping": "true",
        "warehouse": f"s3://{settings.bucket_lakehouse}",
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
        "s3.endpoint": settings.s3_endpoint,
        "s3.region": settings.s3_region,
        "s3.access-key-id": program,
        "s3.secret-access-key": settings.secret(f"minio-{program}"),
        "s3.path-style-access": "true",
    }
    return SqlCatalog(CATALOG, **properties)


def load(lake: SqlCatalog, table: TableId) -> Table:
    """The table with its newest metadata.

    Raises:
        ConfigError: There is no such table.
    """
    try:
        return lake.load_table(table.parts)
    except NoSuchTableError:
        raise ConfigError(f"table {table.sql} does not exist; run: commonweal apply") from None


def head(lake: SqlCatalog, table: TableId, ref: str) -> int | None:
    """The snapshot id that a ref of the table points at, or None when there is no such ref."""
    found = load(lake, table).metadata.refs.get(ref)
    return found.snapshot_id if found else None


def summary(lake: SqlCatalog, table: TableId, snapshot: int) -> dict[str, str]:
    """A snapshot's summary: counts of Iceberg and properties of ours, all as text.

    Raises:
        ConflictError: The snapshot is no longer there.
    """
    found = load(lake, table).metadata.snapshot_by_id(snapshot)
    if found is None or found.summary is None:
        raise ConflictError(f"{table.sql}: snapshot {snapshot} is no longer there; run the step again from its start")
    return {"operation": found.summary.operation.value, **found.summary.additional_properties}


@retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(REF_ATTEMPTS),
    wait=wait_random_exponential(multiplier=0.05, max=1),
    reraise=True,
)
def create_branch(lake: SqlCatalog, table: TableId, branch: str, snapshot: int) -> None:
    """Create the branch of one attempt at a snapshot."""
    load(lake, table).manage_snapshots().create_branch(snapshot, branch).commit()


@retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(REF_ATTEMPTS),
    wait=wait_random_exponential(multiplier=0.05, max=1),
    reraise=True,
)
def drop_branch(lake: SqlCatalog, table: TableId, branch: str) -> None:
    """Drop the branch of an attempt that lost; a branch that is gone is no error."""
    found: Any = load(lake, table)
    if branch in found.metadata.refs:
        found.manage_snapshots().remove_branch(branch).commit()
