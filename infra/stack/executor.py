"""Airflow's local executor, with what tasks need of other people's packages loaded once.

Great Expectations alone takes nine seconds of CPU to import, and each task is a new process. Tasks are forks of forks of the
scheduler: what it has loaded they have too, in memory that they share. Only packages are loaded here, nothing of the
platform's own: changed code is read by the next task, as ever.
"""

import logging
from typing import Any

from airflow.executors.local_executor import LocalExecutor

from infra.stack.preloading import preload

PACKAGES = (
    "great_expectations",
    "grpc_status.rpc_status",
    "jsonschema_rs",
    "kafka",
    "minio",
    "open_data_contract_standard.model",
    "orjson",
    "psycopg",
    "pyarrow.parquet",
    "pydantic_settings",
    "pyiceberg.catalog.sql",
    "pyiceberg.io.pyarrow",
    "pyspark.sql.connect.dataframe",
    "pyspark.sql.connect.functions",
    "pyspark.sql.connect.session",
    "pyspark.sql.functions",
    "rfc8785",
    "scipy.optimize",
    "stdnum.cn",
)
"""What the steps import; a test says when one is missing."""


class WarmExecutor(LocalExecutor):
    """Forks a worker when there is work for it; before the first, it loads the packages."""

    _is_warm = False

    def start(self) -> None:
        """Start without workers: they would be forked before there is anything to share."""
        self.is_mp_using_fork = False
        super().start()

    def queue_workload(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - handed on as they come
        """Take a task; the first one waits until the packages are loaded."""
        if not self._is_warm:
            load_packages()
            self._is_warm = True
        super().queue_workload(*given, **named)


def load_packages() -> None:
    """Load them, without what Great Expectations would log."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # or it tells of hundreds of its own functions
    preload(PACKAGES)
