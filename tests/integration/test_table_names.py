"""Names of datasets that look like names of Iceberg or SQL and are not reserved: written, branched and read as any other."""

import secrets

import pyarrow as pa
import pytest

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
    opened = session(stack.settings)
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
