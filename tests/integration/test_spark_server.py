"""What sessions of the Spark server share, and what they don't."""

import os
from collections.abc import Iterator
from typing import Any

from commonweal.lake import spark
from commonweal.settings import Settings


def processes(batches: Iterator[Any]) -> Iterator[Any]:
    """Who works; all batches are read, since a worker that leaves some is never used again."""
    import pyarrow as pa

    for _ in batches:
        pass
    yield pa.RecordBatch.from_pydict({"pid": [os.getpid()], "daemon": [os.getppid()]})


def worker(settings: Settings) -> tuple[int, int]:
    """The process that worked for a new session, and the one that it was forked from."""
    opened = spark.session(settings)
    try:
        (row,) = opened.range(1).coalesce(1).mapInArrow(processes, "pid long, daemon long").collect()
        return row["pid"], row["daemon"]
    finally:
        spark.end(opened)


def test_a_worker_ends_with_its_task_and_its_daemon_goes_on(stack):
    """Changed code is read by the next task; what is forked has other people's packages already."""
    (first, daemon), (second, same) = worker(stack.settings), worker(stack.settings)
    assert first != second
    assert daemon == same


def test_sessions_share_no_names(stack):
    """Compiled plans are shared; views and settings are not."""
    one, other = spark.session(stack.settings), spark.session(stack.settings)
    try:
        one.range(1).createTempView("mine")
        one.conf.set("spark.sql.shuffle.partitions", "7")
        assert not other.catalog.tableExists("mine")
        assert other.conf.get("spark.sql.shuffle.partitions") == "4"
    finally:
        spark.end(one)
        spark.end(other)


def test_few_events_are_planned_once_and_many_adaptively(stack):
    opened = spark.session(stack.settings)
    names = "spark.sql.adaptive.enabled", "spark.sql.shuffle.partitions"
    found = []
    try:
        for events in (spark.FEW_EVENTS, spark.FEW_EVENTS + 1):
            with spark.planned_for(opened, events):
                found.append([opened.conf.get(name) for name in names])
        found.append([opened.conf.get(name) for name in names])
    finally:
        spark.end(opened)
    assert found == [["false", "2"], ["true", "4"], ["true", "4"]]


def test_a_session_that_ended_leaves_the_others_alone(stack):
    """Pyspark closes it once more when the collector finds it, and with it what all sessions of the process send by."""
    from pyspark.sql.connect.client.reattach import ExecutePlanResponseReattachableIterator as Answers

    ended, other = spark.session(stack.settings), spark.session(stack.settings)
    spark.end(ended)
    try:
        other.range(1).collect()
        threads = Answers._release_thread_pool_instance
        ended.__del__()
        assert threads is not None
        assert Answers._release_thread_pool_instance is threads
    finally:
        spark.end(other)
