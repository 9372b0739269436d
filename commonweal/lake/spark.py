"""The one room for Spark Connect sessions, and the few things that every step does with them."""

import atexit
import socket
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any
from urllib.parse import urlsplit

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from commonweal.errors import ConfigError, TransientError
from commonweal.lake.names import TableId
from commonweal.settings import Settings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}
"""What the steps rely on, whatever the cluster's own defaults are."""
KEPT_BITS = 5
"""Of an offset in a condition: it changes when that offset has grown by a thirty-second to a sixteenth."""
FEW_EVENTS = 100_000
FOR_FEW = {"spark.sql.adaptive.enabled": "false", "spark.sql.shuffle.partitions": "2"}
PATIENCE_SECONDS = 30
"""For so long a server that is being started again is waited for."""
RETRIES, LONGEST_PAUSE_MS = 8, 5_000
"""About 25 seconds in all: by itself the client waits ten minutes for a server that is gone, and again when it is closed."""


def session(settings: Settings) -> SparkSession:
    """A new session of the Spark Connect server.

    Raises:
        ConfigError: There is no address of one.
        TransientError: The server is unreachable.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client.retries import DefaultPolicy

    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")  # the error that follows says it
    unreachable = f"Spark Connect at {settings.spark_remote} is unreachable; is it running? see: commonweal stack status"
    try:
        _await_listener(settings.spark_remote)
        opened: Any = SparkSession.builder.remote(f"{settings.spark_remote}/;token={settings.secret('spark-token')}").create()
        # Until here nothing was asked of the server.
        opened.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES, max_backoff=LONGEST_PAUSE_MS)])
        for name, value in SETTINGS.items():
            opened.conf.set(name, value)
    except (PySparkException, OSError):
        raise TransientError(unreachable) from None
    # At exit the client clears a cache of models on the server, and retries for minutes when that is gone; we have no models.
    atexit.unregister(opened.client._cleanup_ml_cache)
    found: SparkSession = opened
    return found


def end(opened: Any) -> None:  # noqa: ANN401 - pyspark doesn't name the client of a session
    """End a session; a server that is gone is asked once, but for what the client was still asking about a query that failed."""
    opened.client.set_retry_policies([])
    opened.stop()
    # Found by the collector, it would be closed once more: while another session of this process sends something, its threads
    # then wait for each other for ever.
    opened.client.close = _nothing


def _nothing() -> None:
    """Do nothing."""


@retry(retry=retry_if_exception_type(OSError), stop=stop_after_delay(PATIENCE_SECONDS), wait=wait_fixed(0.5), reraise=True)
def _await_listener(remote: str) -> None:
    """Wait until somebody listens at ``sc://host:port``: the client itself would ask for ten minutes."""
    address = urlsplit(remote)
    if not address.hostname or not address.port:
        raise ConfigError("COMMONWEAL_SPARK_REMOTE is empty or wrong; start the stack or set it to sc://host:port")
    socket.create_connection((address.hostname, address.port), timeout=5).close()


@contextmanager
def planned_for(spark: SparkSession, events: int) -> Iterator[None]:
    """Queries within are planned for so many landed events.

    Adaptive execution plans each stage of a query anew when it knows the size of the one before; with few events that is a large
    part of all work, and gains nothing. After an error the settings stay: the step ends, and its session with it.
    """
    own = FOR_FEW if events <= FEW_EVENTS else {}
    before = {name: str(spark.conf.get(name)) for name in own}  # unset, a setting would be Spark's, and not the server's
    for name, value in own.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


def clock(spark: SparkSession) -> datetime:
    """The server's time."""
    (row,) = spark.sql("select unix_micros(current_timestamp())").collect()
    return EPOCH + timedelta(microseconds=int(row[0]))


def at(spark: SparkSession, table: TableId, snapshot: int) -> DataFrame:
    """The rows of a table at one fixed snapshot."""
    return spark.read.option("versionAsOf", snapshot).table(table.sql)


def instant(moment: datetime) -> Column:
    """An instant as a literal. Made of a datetime, pyspark asks the session used last how to read it, and that may be closed."""
    return F.expr(f"timestamp_micros({(moment - EPOCH) // timedelta(microseconds=1)})")


def appended(spark: SparkSession, table: TableId, after: int, until: int) -> DataFrame:
    """The rows that the snapshots after ``after``, up to and with ``until``, appended; none when both are one."""
    if after == until:
        return at(spark, table, until).limit(0)
    return spark.read.option("start-snapshot-id", after).option("end-snapshot-id", until).table(table.sql)


def replace_rows(spark: SparkSession, branch: str, rows: DataFrame, keys: DataFrame | None) -> None:
    """Put rows on a table's branch, in the place of those that have the same keys.

    Args:
        spark: The session of both.
        branch: Table and branch, as SQL.
        rows: The new rows.
        keys: The keys whose rows go, columns of the table; None for all rows.
    """
    if keys is None:
        rows.writeTo(branch).overwrite(F.lit(True))  # noqa: FBT003 - a value
        return
    keys.createOrReplaceTempView("replaced")
    is_same = " and ".join(f"t.{key} = r.{key}" for key in keys.columns)
    spark.sql(f"delete from {branch} t where exists (select 1 from replaced r where {is_same})").collect()
    rows.writeTo(branch).append()


def below(offsets: Mapping[str, Mapping[str, int]]) -> Column:
    """Landing rows below the given offsets, by topic and partition (as text).

    The ends are one array: numbers by themselves would stand in the code that Spark makes of a query, which Java would compile
    anew for each of them.
    """
    ranges = []
    for topic, partitions in offsets.items():
        ends = {int(partition): end for partition, end in partitions.items()}
        listed = F.array(*(F.lit(ends.get(partition, 0)).cast("bigint") for partition in range(max(ends, default=0) + 1)))
        end = F.coalesce(F.get(listed, F.col("_kafka_partition")), F.lit(0).cast("bigint"))
        ranges.append((F.col("_kafka_topic") == topic) & (F.col("_kafka_offset") < end))
    return _any(ranges)


def new_rows(before: Mapping[str, Mapping[str, int]], now: Mapping[str, Mapping[str, int]]) -> Column:
    """Of landing rows that are all below the offsets of now, those that were not below the ones before.

    That they have about the least new offset of their topic, or more, follows from the rest; by it older files stay unread.
    """
    may_be_new = []
    for topic, ends in now.items():
        known = before.get(topic, {})
        if starts := [known.get(partition, 0) for partition, end in ends.items() if end > known.get(partition, 0)]:
            may_be_new.append((F.col("_kafka_topic") == topic) & (F.col("_kafka_offset") >= _rounded_down(min(starts))))
    return _any(may_be_new) & ~below(before)


def _rounded_down(offset: int) -> int:
    """An offset with only its first bits, for a condition that mostly stays the same from one query to the next."""
    dropped = max(0, offset.bit_length() - KEPT_BITS)
    return offset >> dropped << dropped


def _any(conditions: Iterable[Column]) -> Column:
    return reduce(lambda one, other: one | other, conditions, F.lit(False))
