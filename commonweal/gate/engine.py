"""Great Expectations' engine for Spark, which asks for counts alone, and for the same ones in the same words each time.

Imported when the audit runs, see ``gate.audit``: that takes seconds.
"""

from collections.abc import Iterable
from typing import Any

from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.validator.metric_configuration import MetricConfiguration
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

OF_ROWS = ".unexpected_values"
NOT_UNIQUE = "column_values.unique.unexpected_count", "compound_columns.unique.unexpected_count"


class CountingEngine(SparkDFExecutionEngine):
    """The engine with its questions in order, and without those for values of rows.

    They come in sets, so that one query would be another in each run: Spark's Java would compile it anew each time, which takes
    longer than its work. Of the rows that break a rule no values are wanted, for which Spark would be asked rule by rule. That no
    two rows have one key is shown by hashes of the keys, where it can be: numbers are sorted faster than keys.
    """

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[Any, Any] | None = None,
    ) -> dict[Any, Any]:
        """The metrics, as the engine gives them."""
        wanted = sorted(metrics_to_resolve, key=_order)
        of_rows: dict[Any, Any] = {metric.id: [] for metric in wanted if metric.metric_name.endswith(OF_ROWS)}
        unique = {metric.id: 0 for metric in wanted if metric.metric_name in NOT_UNIQUE and self._are_all_different(metric)}
        known = of_rows | unique
        asked = [metric for metric in wanted if metric.id not in known]
        return known | super().resolve_metrics(asked, metrics, runtime_configuration)

    def _are_all_different(self, metric: MetricConfiguration) -> bool:
        """True when there are as many hashes of the columns as rows; where there are fewer, two rows may have one key."""
        domain = metric.metric_domain_kwargs
        columns = domain.get("column_list") or [domain["column"]]
        try:
            rows = self.dataframe.select(*columns)
            if domain.get("ignore_row_if") != "never":
                rows = rows.dropna("all")
            hashes = rows.select(F.xxhash64(*columns).alias("hash"))
            counted = hashes.agg(F.count("*").alias("rows"), F.count_distinct("hash").alias("different")).collect()[0]
        except PySparkException:
            return False
        return bool(counted["rows"] == counted["different"])


def _order(metric: MetricConfiguration) -> tuple[str, str, str]:
    domain = {name: value for name, value in metric.metric_domain_kwargs.items() if name != "batch_id"}
    return metric.metric_name, repr(sorted(domain.items())), repr(sorted(metric.metric_value_kwargs.items()))
