"""The lake's tables as the contracts want them: created with a first, empty snapshot and a candidate ref."""

from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform

from commonweal.contract.model import Contract
from commonweal.lake.names import CANDIDATE, MAIN, TableId, landing_table, location, released_tables
from commonweal.render.lake_schema import current_schema, history_schema, landing_schema
from commonweal.settings import Settings

FORMAT = "format-version"
PROPERTIES = {
    "write.parquet.compression-codec": "zstd",
    "write.parquet.compression-level": "1",
    "write.distribution-mode": "none",
    "write.spark.fanout.enabled": "true",
    "write.merge.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
    "write.delete.mode": "merge-on-read",
    "commit.manifest.min-count-to-merge": "20",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
}


LANDING_PROPERTIES = PROPERTIES | dict.fromkeys(("write.merge.mode", "write.update.mode", "write.delete.mode"), "copy-on-write")
"""What expires from landing is rewritten without it at once, not only marked as deleted until the next compaction."""


def wanted_tables(contract: Contract) -> dict[TableId, pa.Schema]:
    """Every table of a dataset with its schema."""
    schemas = {"current": current_schema(contract), "history": history_schema(contract)} if contract.kind == "source" else {}
    wanted = {table: schemas.get(name) or current_schema(contract) for name, table in released_tables(contract).items()}
    if contract.kind == "source":
        wanted[landing_table(contract)] = landing_schema(contract)
    return wanted


@dataclass(frozen=True)
class Lack:
    """What a table of the lake lacks of what is wanted.

    Attributes:
        is_there: False when the table is missing, or one of its refs.
        columns: Those that its contract has gained since it was made.
        properties: Those that it has otherwise, or not.
    """

    is_there: bool
    columns: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()


def lacking(lake: SqlCatalog, table: TableId, schema: pa.Schema) -> Lack:
    """Compare a table with what is wanted of it."""
    if not lake.table_exists(table.parts):
        return Lack(is_there=False)
    loaded = lake.load_table(table.parts)
    refs, known = loaded.metadata.refs, set(loaded.schema().column_names)
    return Lack(
        is_there=MAIN in refs and (table.parts[0] == "landing" or CANDIDATE in refs),
        columns=tuple(name for name in schema.names if name not in known),
        properties=tuple(name for name, value in properties(table).items() if loaded.properties.get(name) != value),
    )


def properties(table: TableId) -> dict[str, str]:
    """How its files are written."""
    return LANDING_PROPERTIES if table.parts[0] == "landing" else PROPERTIES


def add_columns(lake: SqlCatalog, table: TableId, schema: pa.Schema) -> None:
    """Add the columns that the table lacks; rows that are there have none of them."""
    with lake.load_table(table.parts).update_schema() as update:
        update.union_by_name(schema)


def set_properties(lake: SqlCatalog, table: TableId) -> None:
    """Have its next files written as is wanted; those that are there stay."""
    with lake.load_table(table.parts).transaction() as change:
        change.set_properties(properties(table))


def create_table(settings: Settings, lake: SqlCatalog, table: TableId, schema: pa.Schema) -> None:
    """Create a table, its first empty snapshot and its refs; what an earlier try left half done is completed.

    Without a first snapshot there is nothing that a commit could compare and swap.
    """
    _create_namespace(lake, table)
    if not lake.table_exists(table.parts):
        wanted = {FORMAT: "2", **properties(table)}
        created = lake.create_table(table.parts, schema=schema, location=location(settings, table), properties=wanted)
        _partition(created, table)
    loaded = lake.load_table(table.parts)
    if MAIN not in loaded.metadata.refs:
        loaded.append(loaded.schema().as_arrow().empty_table())
        loaded = lake.load_table(table.parts)
    if table.parts[0] != "landing" and CANDIDATE not in loaded.metadata.refs:
        loaded.manage_snapshots().create_branch(loaded.metadata.refs[MAIN].snapshot_id, CANDIDATE).commit()


def _create_namespace(lake: SqlCatalog, table: TableId) -> None:
    for depth in range(1, len(table.parts)):
        try:
            lake.create_namespace(table.parts[:depth])
        except NamespaceAlreadyExistsError:
            continue


def _partition(created: Table, table: TableId) -> None:
    """Landing keeps rejected rows in files of their own, so that counting them reads nothing else."""
    if table.parts[0] == "landing":
        with created.update_spec() as update:
            update.add_field("_accepted", IdentityTransform(), "_accepted")
