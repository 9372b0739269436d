"""The peers of the gate: the same rules, by Great Expectations as it comes, and by DuckDB in one scan of each table's files.

Neither accounts for offsets, compares with the release before, writes a report or records a verdict.
Great Expectations is given our suite and our Spark, and is left as it is by default: for each rule it also fetches samples of
what breaks it. DuckDB counts the rows for which a condition written by hand holds; of a key that is not unique, the surplus ones.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from commonweal.contract.loader import load_contract
from commonweal.contract.model import Contract, Rule, TableName
from commonweal.lake.catalog import catalog, load
from commonweal.lake.names import TableId, released_table
from commonweal.render.suite import suite
from commonweal.settings import Settings, load_settings

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

PROGRAM = "query"
"""Who reads released tables without Spark."""
UNIQUE = {
    "expect_column_values_to_be_unique": "{column}",
    "expect_compound_columns_to_be_unique": "({column_list})",
}
"""By expectation, what is unique."""
LIVE: dict[TableName, str] = {"current": "_state = 'live'"}
"""By table, which of its rows people read; all, where there is nothing else."""
BROKEN = {
    "expect_column_values_to_not_be_null": "{column} is null",
    "expect_column_values_to_be_in_set": "{column} not in {value_set}",
    "expect_column_values_to_not_be_in_set": "{column} in {value_set}",
    "expect_column_values_to_match_regex": "not regexp_matches({column}, {regex})",
    "expect_column_values_to_not_match_regex": "regexp_matches({column}, {regex})",
    "expect_column_value_lengths_to_be_between": "length({column}) not between {min_value} and {max_value}",
    "expect_column_pair_values_a_to_be_greater_than_b": "{column_A} < {column_B}",
}
"""By expectation, when a row breaks it; null where it judges nothing. Pairs are those that may be equal."""
BOUNDS = {"min_value": 0, "max_value": 1 << 31}


@dataclass(frozen=True)
class Asked:
    """The rules on one table, at a snapshot."""

    table: TableName
    snapshot: int
    rules: tuple[Rule, ...]


def main(how: str, dataset: str, snapshots: str) -> None:
    """Audit snapshots of a dataset's tables, ``gx`` or ``duckdb``; prints whether they pass and how many rows break each rule."""
    settings = load_settings()
    contract = load_contract(settings.schemas_dir, dataset)
    rules = suite(contract).rules
    given: dict[TableName, int] = json.loads(snapshots)
    asked = [Asked(table, number, tuple(rule for rule in rules if rule.table == table)) for table, number in given.items()]
    audit = {"gx": by_great_expectations, "duckdb": by_duckdb}[how]
    kept, failed = audit(settings, contract, [each for each in asked if each.rules])
    passed = all(kept[rule.id] for rule in rules if rule.severity == "fail")
    print(json.dumps({"passed": passed, "failed": failed}))


def by_great_expectations(
    settings: Settings, contract: Contract, asked: Sequence[Asked]
) -> tuple[dict[str, bool], dict[str, int]]:
    """By rule, whether Great Expectations holds it for kept, and how many rows break it."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from commonweal.lake.spark import at, session
    from commonweal.steps.join import readable

    spark = session(settings)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source, found = context.data_sources.add_spark("spark"), list[Any]()
    for each in asked:
        rows = readable(at(spark, released_table(contract, each.table), each.snapshot), each.table)
        batch = source.add_dataframe_asset(each.table).add_batch_definition_whole_dataframe("whole")
        wanted = [
            ExpectationConfiguration(type=rule.expectation, kwargs=dict(rule.kwargs), meta={"rule": rule.id})
            for rule in each.rules
        ]
        expected = gx.ExpectationSuite(name=each.table, expectations=wanted)
        found += batch.get_batch(batch_parameters={"dataframe": rows}).validate(expected).results
    spark.stop()
    results = {result.expectation_config.meta["rule"]: result for result in found}
    kept = {name: bool(result.success) for name, result in results.items()}
    return kept, {name: int(result.result["unexpected_count"]) for name, result in results.items()}


def by_duckdb(settings: Settings, contract: Contract, asked: Sequence[Asked]) -> tuple[dict[str, bool], dict[str, int]]:
    """By rule, whether it is kept, and how many rows break it: all of a table in one scan."""
    import duckdb

    kept: dict[str, bool] = {}
    broken: dict[str, int] = {}
    for each in asked:
        counts = ", ".join(f"{judged}, {failed}" for judged, failed in map(_counts, each.rules))
        with duckdb.connect() as connection:
            connection.register("audited", files(settings, released_table(contract, each.table), each.snapshot))
            found = connection.sql(f"select {counts} from audited where {LIVE.get(each.table, 'true')}").fetchall()[0]
        for place, rule in enumerate(each.rules):
            judged, failed = (int(count) for count in found[2 * place : 2 * place + 2])
            kept[rule.id], broken[rule.id] = _is_kept(rule, judged, failed), failed
    return kept, broken


def files(settings: Settings, table: TableId, snapshot: int) -> "Dataset":
    """The Parquet files of a snapshot, read where they are.

    Raises:
        SystemExit: Rows of them are deleted elsewhere, so that the files alone are not the table.
    """
    from pyarrow.dataset import dataset
    from pyarrow.fs import S3FileSystem

    tasks = list(load(catalog(settings, PROGRAM), table).scan(snapshot_id=snapshot).plan_files())
    if any(task.delete_files for task in tasks):
        raise SystemExit(f"{table.sql}: rows of snapshot {snapshot} are deleted beside its files")
    store = S3FileSystem(
        access_key=PROGRAM,
        secret_key=settings.secret(f"minio-{PROGRAM}"),
        endpoint_override=settings.s3_endpoint,
        region=settings.s3_region,
    )
    return dataset([task.file.file_path.removeprefix("s3://") for task in tasks], filesystem=store, format="parquet")


def literal(value: object) -> str:
    """A value of a contract in SQL."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"({', '.join(map(literal, value))})" if isinstance(value, list | tuple) else str(value)


def _counts(rule: Rule) -> tuple[str, str]:
    """SQL of how many rows the rule judges, and of how many break it."""
    if rule.expectation in UNIQUE:
        key = UNIQUE[rule.expectation].format(**_arguments(rule.kwargs))
        return f"count({key})", f"count({key}) - count(distinct {key})"
    broken = BROKEN[rule.expectation].format(**_arguments(rule.kwargs))
    return f"count({broken})", f"count(*) filter (where {broken})"


def _arguments(kwargs: Mapping[str, Any]) -> dict[str, str]:
    names = {
        name: ", ".join(value) if name == "column_list" else value for name, value in kwargs.items() if name.startswith("column")
    }
    return {name: literal(value) for name, value in (BOUNDS | dict(kwargs)).items()} | names


def _is_kept(rule: Rule, judged: int, failed: int) -> bool:
    return (judged - failed) / judged >= rule.kwargs.get("mostly", 1) if judged else rule.may_be_empty


if __name__ == "__main__":
    main(*sys.argv[1:4])
