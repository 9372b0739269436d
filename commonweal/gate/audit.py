"""Great Expectations as engine: it counts, for each rule, the rows that break it, and nothing else leaves this module.

Its messages and its observed values can hold values of rows, so they are never read; neither are its log and its progress bars.
It is imported when the audit runs: that takes seconds.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from commonweal.contract.model import Rule, TableName
from commonweal.errors import TransientError
from commonweal.gate.model import RuleResult
from commonweal.render.suite import ALLOWED, Suite

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}
ROW_COUNT = "expect_table_row_count_to_be_between"
ASKED = 3
"""So often a rule that can't be run is asked: one server after another may go away, as when a machine is restarted."""
FEW_ROWS = 200_000
"""Up to so many rows Spark keeps them in memory during the audit."""
NEVER_NULL = "expect_column_values_to_not_be_null", "expect_column_values_to_be_null"


@dataclass(frozen=True)
class Rows:
    """The rows of one table at one fixed snapshot, only those that people would read (``_state = 'live'``), and how many."""

    frame: "DataFrame"
    count: int


def audit(tables: Mapping[TableName, Rows], suite: Suite) -> tuple[RuleResult, ...]:
    """Run a suite on Spark Connect frames.

    Args:
        tables: The rows by table name.
        suite: The rules.

    Returns:
        One result per rule, in the suite's order; a rule whose table was not given, or that the engine could not run, has
        ``raised``.

    Raises:
        TransientError: The rows could not be read.
    """
    by_id: dict[str, RuleResult] = {}
    for table in dict.fromkeys(rule.table for rule in suite.rules):
        rules = [rule for rule in suite.rules if rule.table == table and rule.expectation in ALLOWED]
        if table in tables and rules:
            by_id |= _run(tables[table], rules)
    return tuple(by_id.get(rule.id, RuleResult(rule, success=False, raised=True)) for rule in suite.rules)


def _run(rows: Rows, rules: Sequence[Rule]) -> dict[str, RuleResult]:
    """The results of the rules of one table; a rule without one could not be run.

    A rule that could not be run refuses the dataset, for good. So it is asked again first: what a server caused that was away for
    a moment doesn't happen again when everything can be read.

    Raises:
        TransientError: The rows can't be read: nothing is known of the data, so this is no refusal.
    """
    found: dict[str, RuleResult] = {}
    unanswered = list(rules)
    with _read_once(rows):
        for _ in range(ASKED):
            found |= _ask(rows, unanswered)
            unanswered = [rule for rule in rules if rule.id not in found or found[rule.id].raised]
            if not unanswered:
                break
            _expect_answer(rows.frame)
    return found


@contextmanager
def _read_once(rows: Rows) -> Iterator[None]:
    """Have Spark keep rows that are few meanwhile: to look into their files takes longer than to answer a question."""
    from pyspark.errors import PySparkException

    if rows.count > FEW_ROWS:
        yield
        return
    # A server that is away is found out by the questions.
    with suppress(PySparkException):
        rows.frame.persist()
    try:
        yield
    finally:
        with suppress(PySparkException):
            rows.frame.unpersist()


def _ask(rows: Rows, rules: Sequence[Rule]) -> dict[str, RuleResult]:
    # Before its first import: no usage statistics go out.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from pyspark.errors import PySparkException

    found: dict[str, RuleResult] = {}
    with _silence(), suppress(GreatExpectationsError, PySparkException):
        planned = {rule.id: rule for rule in rules}
        for result in _validate(rows.frame, rules):
            rule = planned[result.expectation_config.meta["rule"]]
            found[rule.id] = _counted(rule, bool(result.success), result.exception_info, result.result or {}, rows.count)
    return found


def _expect_answer(frame: "DataFrame") -> None:
    """Read something of the rows: of catalog, store and Spark none may be away."""
    from pyspark.errors import PySparkException

    try:
        frame.limit(1).count()
    except PySparkException:
        raise TransientError(
            "the rows could not be read during the audit: Spark, the catalog or the store is away, or a file is damaged; "
            "run the gate again, see: commonweal stack status"
        ) from None


def _validate(frame: "DataFrame", rules: Sequence[Rule]) -> Sequence[Any]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.datasource.fluent.spark_datasource import SparkDatasource
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from commonweal.gate.engine import CountingEngine

    SparkDatasource.execution_engine_override = CountingEngine  # type: ignore[misc]  # this is how one is given
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    name = uuid4().hex
    # Given whole: adding one by one, a rule would replace another of the same type on the same column.
    planned = gx.ExpectationSuite(
        name=name,
        expectations=[
            ExpectationConfiguration(type=rule.expectation, kwargs=dict(rule.kwargs), meta={"rule": rule.id}) for rule in rules
        ],
    )
    # By itself it would keep the rows in Spark's memory, for all sessions, and for good.
    asset = context.data_sources.add_spark(name, persist=False).add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe(name).get_batch(batch_parameters={"dataframe": frame})
    results: Sequence[Any] = batch.validate(planned, result_format=COUNTS_ONLY).results
    return results


def _counted(rule: Rule, success: bool, exception_info: object, result: Mapping[str, Any], rows: int) -> RuleResult:
    """The counts, and only they; anything that is not as it should be makes the rule one that could not be run."""
    if _has_raised(exception_info):
        return RuleResult(rule, success=False, raised=True)
    if rule.expectation == ROW_COUNT:
        return RuleResult(rule, success=success, evaluated=rows, unexpected=0 if success else rows)
    evaluated = result.get("element_count")
    # On no rows the engine gives no count of unexpected ones, and for a rule about missing values none of missing ones.
    unexpected = 0 if evaluated == 0 else result.get("unexpected_count")
    missing = 0 if rule.expectation in NEVER_NULL else result.get("missing_count")
    if not all(type(count) is int for count in (evaluated, unexpected, missing)):
        return RuleResult(rule, success=False, raised=True)
    return RuleResult(rule, success, int(evaluated or 0), int(missing or 0), int(unexpected or 0))


def _has_raised(exception_info: object) -> bool:
    """One entry, or one per metric; without a clear no it counts as raised."""
    if not isinstance(exception_info, Mapping) or not exception_info:
        return True
    if "raised_exception" in exception_info:
        return exception_info["raised_exception"] is not False
    return any(_has_raised(entry) for entry in exception_info.values())


@contextmanager
def _silence() -> Iterator[None]:
    """The engine logs exceptions with their text, which may quote rows: nothing it logs goes further."""
    logger, nowhere = logging.getLogger("great_expectations"), logging.NullHandler()
    before, logger.propagate = logger.propagate, False
    logger.addHandler(nowhere)
    try:
        yield
    finally:
        logger.removeHandler(nowhere)
        logger.propagate = before
