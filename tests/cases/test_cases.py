"""Cases of the transforms: one folder is one test, made of rows that a person can check by hand.

``<department>/<dataset>/<case>/`` holds ``<input>.yaml`` for each input that has rows, and ``expect.yaml``. A column that is not
written is missing (null) in an input, and is not compared in ``expect.yaml``.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from commonweal.contract.loader import load_contracts
from commonweal.contract.model import Contract, Input
from commonweal.contract.strict_yaml import read_yaml
from commonweal.render.lake_schema import current_schema, ddl, history_schema
from commonweal.settings import ROOT
from commonweal.steps.join import transform_module

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

HERE = Path(__file__).parent
CONTRACTS = load_contracts(ROOT / "schemas")
PRODUCTS = [contract for contract in CONTRACTS.values() if contract.kind == "product"]
CASES = sorted(path.parent for path in HERE.glob("*/*/*/expect.yaml"))
HIDDEN = {"_state", "_events", "_superseded", "_duplicates", "_conflicts", "_pending", "_withdrawn"}
"""Columns of a released table that a transform does not see."""

Row = dict[str, Any]


def test_there_are_cases() -> None:
    assert {case.parent.relative_to(HERE).as_posix().replace("/", ".") for case in CASES} == {item.id for item in PRODUCTS}


def test_every_folder_is_a_case() -> None:
    named = {case: {item.name for item in _contract(case).inputs} for case in CASES}
    strange = [
        path for path in HERE.glob("*/*/*/*") if path.name != "expect.yaml" and path.stem not in named.get(path.parent, set())
    ]
    assert strange == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: ".".join(case.relative_to(HERE).parts))
def test_case(case: Path, spark: "SparkSession") -> None:
    contract = _contract(case)
    found = _transformed(contract, spark, case)
    expected = _rows(case / "expect.yaml")
    columns = sorted({name for row in expected for name in row})
    schema = current_schema(contract)
    wanted = [{name: _value(row.get(name), schema.field(name).type) for name in columns} for row in expected]
    compared = [{name: row[name] for name in columns} for row in found.toArrow().to_pylist()]
    assert sorted(compared, key=repr) == sorted(wanted, key=repr)


GROUPED = [case for case in CASES if CONTRACTS[".".join(case.relative_to(HERE).parts[:2])].grouped_by]


@pytest.mark.parametrize("case", GROUPED, ids=lambda case: ".".join(case.relative_to(HERE).parts))
def test_group_by_group_the_same_is_found(case: Path, spark: "SparkSession") -> None:
    """What a contract says by ``groupedBy``."""
    contract = _contract(case)
    whole, parts = _group_by_group(contract, spark, case, str(contract.grouped_by))
    assert parts == whole


def test_another_group_would_be_noticed(spark: "SparkSession") -> None:
    def differs(case: Path) -> bool:
        whole, parts = _group_by_group(_contract(case), spark, case, "changed_on")
        return whole != parts

    assert any(map(differs, GROUPED))


@pytest.mark.parametrize("contract", PRODUCTS, ids=lambda contract: contract.id)
def test_empty_inputs_give_exactly_the_contracts_columns(contract: Contract, spark: "SparkSession") -> None:
    found = _transformed(contract, spark, HERE / "no such case").toArrow()
    assert [(column.name, column.type) for column in found.schema] == [
        (column.name, column.type) for column in current_schema(contract)
    ]
    assert found.num_rows == 0


def _contract(case: Path) -> Contract:
    return CONTRACTS[".".join(case.relative_to(HERE).parts[:2])]


def _transformed(contract: Contract, spark: "SparkSession", case: Path) -> "DataFrame":
    frames = {item.name: _frame(spark, _input(item, case / f"{item.name}.yaml")) for item in contract.inputs}
    result: DataFrame = transform_module(contract).transform(**frames)
    return result


def _group_by_group(contract: Contract, spark: "SparkSession", case: Path, column: str) -> tuple[list[str], list[str]]:
    """What the transform finds in all rows, and what in those of each value of a column by itself; both sorted."""
    frames = {item.name: _frame(spark, _input(item, case / f"{item.name}.yaml")) for item in contract.inputs}
    values = {row[0] for frame in frames.values() for row in frame.select(column).collect()}
    transform = transform_module(contract).transform
    whole = transform(**frames).collect()
    parts = [
        row
        for value in values
        for row in transform(**{name: frame.where(frame[column].eqNullSafe(value)) for name, frame in frames.items()}).collect()
    ]
    return sorted(map(repr, whole)), sorted(map(repr, parts))


def _frame(spark: "SparkSession", table: pa.Table) -> "DataFrame":
    return spark.createDataFrame(table) if table.num_rows else spark.createDataFrame([], ddl(table.schema))


def _input(item: Input, file: Path) -> pa.Table:
    """The rows of a file, typed as the released table is."""
    full = history_schema(CONTRACTS[item.dataset]) if item.table == "history" else current_schema(CONTRACTS[item.dataset])
    schema = pa.schema([column for column in full if column.name not in HIDDEN])
    rows = _rows(file) if file.exists() else []
    strange = {name for row in rows for name in row} - set(schema.names)
    assert not strange, f"{file.name} has columns that the contract does not know"
    return pa.Table.from_pylist(
        [{column.name: _value(row.get(column.name), column.type) for column in schema} for row in rows], schema=schema
    )


def _rows(file: Path) -> list[Row]:
    rows = read_yaml(file.read_text())
    assert isinstance(rows, list)
    return rows


def _value(written: object, kind: pa.DataType) -> object:
    """A text of YAML as a value of the column's type; numbers and truths are what they are."""
    if written is None or not isinstance(written, str):
        return written
    if pa.types.is_decimal(kind):
        return Decimal(written)
    if pa.types.is_date(kind):
        return date.fromisoformat(written)
    return datetime.fromisoformat(written).replace(tzinfo=UTC) if pa.types.is_timestamp(kind) else written
