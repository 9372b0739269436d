"""The one room for Spark Connect sessions, and the few things that every step does with them."""

import atexit
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from commonweal.errors import TransientError
from commonweal.lake.names import TableId
from commonweal.settings import Settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}
"""What the steps rely on, whatever the cluster's own defaults are."""


def session(settings: Settings) -> SparkSession:
    """A new session of the Spark Connect server.

    Raises:
        TransientError: The server is unreachable.
    """
    from pyspark.errors import PySparkException

    address = f"{settings.spark_remote}/;token={settings.secret('spark-token')}"
    try:
        builder = SparkSession.builder.remote(address)
        for name, value in SETTINGS.items():
            builder = builder.config(name, value)
        opened: Any = builder.create()
    except PySparkException:
        raise TransientError(f"Spark Connect at {settings.spark_remote} is unreachable; see: commonweal stack status") from None
    # At exit the client clears a cache of models on the server, and retries for minutes when that is gone; we have no models.
    atexit.unregister(opened.client._cleanup_ml_cache)
    found: SparkSession = opened
    return found


def at(spark: SparkSession, table: TableId, snapshot: int) -> DataFrame:
    """The rows of a table at one fixed snapshot."""
    return spark.read.option("versionAsOf", snapshot).table(table.sql)


def instant(moment: datetime) -> Column:
    """An instant as a literal. Made of a datetime, pyspark asks the session used last how to read it, and that may be closed."""
    return F.expr(f"timestamp_micros({(moment - EPOCH) // timedelta(microseconds=1)})")


def appended(spark: SparkSession, table: TableId, after: int, until: int) -> DataFrame:
    """The rows that the snapshots after ``after``, up to and with ``until``, appended."""
    return spark.read.option("start-snapshot-id", after).option("end-snapshot-id", until).table(table.sql)


def below(offsets: Mapping[str, Mapping[str, int]]) -> Column:
    """Landing rows below the given offsets, by topic and partition (as text)."""
    ranges = [
        (F.col("_kafka_topic") == topic) & (F.col("_kafka_partition") == int(partition)) & (F.col("_kafka_offset") < end)
        for topic, partitions in offsets.items()
        for partition, end in partitions.items()
    ]
    return reduce(lambda one, other: one | other, ranges, F.lit(False))
