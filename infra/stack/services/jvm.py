"""What Kafka and Spark share: how their Java is started."""

import os

from infra.install import java

QUICK = "COMMONWEAL_QUICK_JAVA"
"""Environment variable: a stack that lives for minutes, as that of a test run does. Java then compiles lightly only: what its
optimizing compiler would gain over days costs a third of Spark's work in the first minutes."""

LIGHT = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m")
"""Of the little code that lightly compiled programs are given room for, Spark's generated classes fill the most: each time it is
full, all memory is collected."""
PATIENT = ("-XX:Tier4InvocationThreshold=50000", "-XX:Tier4MinInvocationThreshold=6000", "-XX:Tier4CompileThreshold=150000")
"""Ten times the calls after which Java compiles a method to the full. With the usual number, half of what Spark spends on small
steps is still that ten minutes after its start: there is so much code that runs now and then. What rows pass through is called
often enough, and loops are counted by themselves."""


def start(megabytes: int) -> tuple[str, ...]:
    """Java, and the flags that every service has.

    Args:
        megabytes: Most memory for the heap.
    """
    return (str(java()), f"-Xmx{megabytes}m", "-XX:+ExitOnOutOfMemoryError", "-Xshare:auto", *shared())


def shared() -> tuple[str, ...]:
    """The flags that executors have too, which their worker starts: how memory is collected and code compiled."""
    return ("-XX:+UseSerialGC", *(LIGHT if os.environ.get(QUICK) else PATIENT))
