"""pyspark's daemon, from which Spark forks Python workers, but ending itself when it has had none for a while.

Spark Connect starts one daemon for each session and never ends it (SPARK-54055, in 4.1 still so): 40 MB stay for every session
that ran Python. Spark starts a new daemon where it finds the old one gone.
"""

import signal
import sys
import time
from types import FrameType

import psutil
from pyspark.daemon import manager

IDLE_SECONDS = 120.0
"""Longer than the minute for which Spark keeps an idle worker."""
LOOK_SECONDS = 10.0


def main(*, idle: float = IDLE_SECONDS, look: float = LOOK_SECONDS) -> None:
    """Run the daemon until it was without workers for ``idle`` seconds, looking every ``look`` seconds."""
    last_busy = time.monotonic()
    myself = psutil.Process()

    def on_alarm(_signal: int, _frame: FrameType | None) -> None:
        nonlocal last_busy
        if myself.children():
            last_busy = time.monotonic()
        elif time.monotonic() - last_busy > idle:
            sys.exit(0)

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, look, look)  # a forked worker does not inherit the timer
    manager()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
