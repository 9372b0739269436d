"""The audit on a real Spark: success as Great Expectations means it, counted; rules that fail to run; no value of a row."""

import logging
from collections.abc import Iterator

import pytest
from pyspark.sql.connect.dataframe import DataFrame

from commonweal.contract.model import Rule, Text
from commonweal.errors import TransientError
from commonweal.gate.audit import Rows, audit
from commonweal.lake.spark import session
from commonweal.render.suite import ALLOWED, Suite

WORDS = Text(en="Words", zh="文字")
SECRET = "q7-never-shown"
ROWS = [(SECRET, 1, None, "x"), ("b", -1, 2, "y"), ("b", 3, 2, None)]
SCHEMA = "k string, n int, m int, s string"


def rule(name, expectation, **kwargs):
    return Rule(id=name, expectation=f"expect_{expectation}", kwargs=kwargs, sentence=WORDS)


RULES = (
    rule("given", "column_values_to_not_be_null", column="m"),
    rule("unique", "column_values_to_be_unique", column="k"),
    rule("together", "compound_columns_to_be_unique", column_list=["k", "n"]),
    rule("form", "column_values_to_match_regex", column="s", regex="^x$"),
    rule(
        "pair", "column_pair_values_a_to_be_greater_than_b", column_A="m", column_B="n", ignore_row_if="either_value_is_missing"
    ),
    rule("rows", "table_row_count_to_be_between", min_value=1),
)
BROKEN = (
    rule("no_column", "column_values_to_be_between", column="absent", min_value=1),
    rule("wrong_type", "column_values_to_be_between", column="k", min_value=1),
)


def suite_of(*rules):
    return Suite("test.audit", rules, "digest")


def given(frame, table="current"):
    return {table: Rows(frame, frame.count())}


def counts(results):
    return {result.rule.id: (result.success, result.evaluated, result.missing, result.unexpected) for result in results}


@pytest.fixture(scope="module")
def spark(stack) -> Iterator[object]:
    opened = session(stack.settings)
    yield opened
    opened.stop()


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame(ROWS, SCHEMA)


def test_counts_of_each_rule(frame):
    assert counts(audit(given(frame), suite_of(*RULES))) == {
        "given": (False, 3, 0, 1),
        "unique": (False, 3, 0, 2),
        "together": (True, 3, 0, 0),
        "form": (False, 3, 1, 1),
        "pair": (False, 3, 1, 1),
        "rows": (True, 3, 0, 0),
    }


def test_no_row_is_asked_for(frame, monkeypatch):
    some, collected = [], []
    limit, collect = DataFrame.limit, DataFrame.collect
    monkeypatch.setattr(DataFrame, "limit", lambda asked, most: some.append(most) or limit(asked, most))
    monkeypatch.setattr(DataFrame, "collect", lambda asked: collected.append(rows := collect(asked)) or rows)
    audit(given(frame), suite_of(*RULES))
    assert some == []
    assert collected
    assert all(len(rows) == 1 for rows in collected)  # sums and counts
    assert SECRET not in repr(collected)


def test_rows_that_are_few_are_kept_as_long_as_they_are_asked_about(frame, monkeypatch):
    kept = [frame.storageLevel.useMemory]
    count = DataFrame.count
    monkeypatch.setattr(DataFrame, "count", lambda asked: kept.append(frame.storageLevel.useMemory) or count(asked))
    rows = Rows(frame, 3)
    audit({"current": rows}, suite_of(*RULES))
    kept.append(frame.storageLevel.useMemory)
    assert (kept[0], set(kept[1:-1]), kept[-1]) == (False, {True}, False)
    kept.clear()
    monkeypatch.setattr("commonweal.gate.audit.FEW_ROWS", 2)
    audit({"current": rows}, suite_of(*RULES))
    assert set(kept) == {False}


def test_the_same_is_asked_in_the_same_order_each_time(frame, monkeypatch):
    monkeypatch.setenv("GX_ANALYTICS_ENABLED", "false")
    from great_expectations.execution_engine import SparkDFExecutionEngine

    asked = []
    resolve = SparkDFExecutionEngine.resolve_metric_bundle

    def noted(engine, metric_fn_bundle):
        metrics = [metric.metric_configuration for metric in metric_fn_bundle]
        asked.append([(metric.metric_name, metric.metric_domain_kwargs.get("column")) for metric in metrics])
        return resolve(engine, metric_fn_bundle)

    monkeypatch.setattr(SparkDFExecutionEngine, "resolve_metric_bundle", noted)
    given_all = [rule(f"given_{column}", "column_values_to_not_be_null", column=column) for column in "knms"]
    for _ in range(3):
        audit(given(frame), suite_of(*RULES, *given_all))
    once = asked[: len(asked) // 3]
    assert asked == once * 3
    assert max(map(len, once)) > len(given_all)


def test_table_without_rows_is_success_that_looked_at_nothing(frame):
    results = audit(given(frame.limit(0)), suite_of(*RULES))
    assert not any(result.raised for result in results)
    assert {result.evaluated for result in results} == {0}
    assert counts(results)["given"][0]
    assert not counts(results)["rows"][0]


def test_empty_suite_has_no_results(frame):
    assert audit(given(frame), suite_of()) == ()


def test_rule_that_can_not_be_run_says_so_and_leaves_the_others_alone(frame):
    results = {result.rule.id: result for result in audit(given(frame), suite_of(*BROKEN, RULES[1]))}
    assert results["no_column"].raised
    assert results["wrong_type"].raised
    assert not results["no_column"].success
    assert (results["unique"].raised, results["unique"].unexpected) == (False, 2)


def test_table_that_was_not_given_raises_every_rule(frame):
    assert all(result.raised for result in audit(given(frame, "history"), suite_of(*RULES)))


def test_expectation_that_is_not_allowed_is_never_run(frame):
    stray = rule("stray", "column_max_to_be_between", column="n", min_value=0)
    assert stray.expectation not in ALLOWED
    assert audit(given(frame), suite_of(stray))[0].raised


def test_no_value_of_a_row_is_said_or_logged(frame, caplog, capfd):
    with caplog.at_level(logging.DEBUG, logger="great_expectations"):
        results = audit(given(frame), suite_of(*RULES, *BROKEN))
    said = capfd.readouterr()
    assert SECRET not in repr(results)
    assert [record for record in caplog.records if record.name.startswith("great_expectations")] == []
    assert SECRET not in said.out + said.err
    assert "Calculating Metrics" not in said.err


def test_spark_that_went_away_is_no_refusal(stack):
    gone = session(stack.settings)
    rows = given(gone.createDataFrame(ROWS, SCHEMA))
    gone.stop()
    with pytest.raises(TransientError, match="run the gate again"):
        audit(rows, suite_of(*RULES))
