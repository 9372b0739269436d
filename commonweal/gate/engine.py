"""Great Expectations' engine for Spark, which asks for counts alone, and for the same ones in the same words each time.

Imported when the audit runs, see ``gate.audit``: that takes seconds.
"""

from collections.abc import Iterable
from typing import Any

from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.validator.metric_configuration import MetricConfiguration

OF_ROWS = ".unexpected_values"


class CountingEngine(SparkDFExecutionEngine):
    """The engine with its questions in order, and without those for values of rows.

    They come in sets, so that one query would be another in each run: Spark's Java would compile it anew each time, which takes
    longer than its work. Of the rows that break a rule no values are wanted, for which Spark would be asked rule by rule.
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
        asked = [metric for metric in wanted if metric.id not in of_rows]
        return of_rows | super().resolve_metrics(asked, metrics, runtime_configuration)


def _order(metric: MetricConfiguration) -> tuple[str, str, str]:
    domain = {name: value for name, value in metric.metric_domain_kwargs.items() if name != "batch_id"}
    return metric.metric_name, repr(sorted(domain.items())), repr(sorted(metric.metric_value_kwargs.items()))
