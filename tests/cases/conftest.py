"""A session of the running stack's Spark Connect server."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from commonweal.lake.spark import session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark(stack: Any) -> Iterator["SparkSession"]:
    found = session(stack.settings)
    yield found
    found.stop()
