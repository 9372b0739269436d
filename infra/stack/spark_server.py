"""Spark's Connect server, as a program of Spark: an application in which Connect's plugin serves.

Connect's own main class, ``SparkConnectServer``, forces isolated sessions, whatever the settings say: class loaders and Python
workers for each session, so that each step compiles its plans anew. A plugin of an application leaves that to the settings.
"""

import sys

from pyspark.sql import SparkSession


def main() -> None:
    """Serve until Spark's Java ends, which holds the other end of the pipe that is this program's input."""
    SparkSession.builder.getOrCreate()
    sys.stdin.read()


if __name__ == "__main__":
    main()
