"""Names of datasets that could be taken for names of Iceberg: which a catalog finds, ours and one that keeps loaded tables."""

import secrets

import pyarrow as pa
import pytest
from pyspark.errors import PySparkException

from commonweal.contract.names import is_reserved
from commonweal.lake.catalog import catalog, create_branch, head
from commonweal.lake.names import MAIN, TableId
from commonweal.lake.spark import at, session
from commonweal.lake.tables import create_table

DEPARTMENT = f"names_{secrets.token_hex(4)}"
SCHEMA = pa.schema([pa.field("no", pa.string())])
BRANCH = "a_1_000000000000"


@pytest.fixture(scope="module")
def spark(stack):
    """A session with our catalog, and beside it ``kept``: the same one as Iceberg has it by default, keeping tables it loaded."""
    opened = session(stack.settings)
    for name, value in dict(opened.conf.getAll).items():
        if name.startswith("spark.sql.catalog.lake"):
            kept = name.replace("catalog.lake", "catalog.kept", 1)
            opened.conf.set(kept, "true" if name.endswith("cache-enabled") else value)
    yield opened
    opened.stop()


@pytest.fixture(scope="module")
def lake(stack):
    return catalog(stack.settings, "pipeline")


def made(stack, lake, name: str) -> TableId:
    table = TableId((DEPARTMENT, name))
    create_table(stack.settings, lake, table, SCHEMA)
    return table


@pytest.mark.parametrize("name", ["metadata", "data", "select", "table"])
def test_a_name_that_is_not_reserved_does_no_harm(stack, spark, lake, name):
    assert not is_reserved(name)
    table = made(stack, lake, name)
    base = head(lake, table, MAIN)
    create_branch(lake, table, BRANCH, base)
    spark.createDataFrame([("1",)], "no string").writeTo(table.branch(BRANCH)).append()
    written = head(lake, table, BRANCH)
    assert (head(lake, table, MAIN), written != base) == (base, True)
    assert at(spark, table, written).count() == 1
    assert spark.table(f"kept.{DEPARTMENT}.{name}").columns == ["no"]


@pytest.mark.parametrize("name", ["snapshots", "history", "files"])
def test_a_catalog_that_keeps_tables_does_not_find_a_dataset_with_a_metadata_tables_name(stack, spark, lake, name):
    assert is_reserved(name)
    made(stack, lake, name)
    with pytest.raises(PySparkException):
        spark.table(f"kept.{DEPARTMENT}.{name}").collect()
