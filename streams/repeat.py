"""The shell of every long-running program: look, wait, look again; back off while something is away; end at SIGTERM."""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import structlog

from commonweal.errors import CommonwealError

log = structlog.get_logger()

LONGEST_WAIT_SECONDS = 30.0
GRACE_SECONDS = 3.0

Look = Callable[[], object]


class Stop:
    """Told once, a program ends. What ``threading.Event`` is, without its lock.

    A signal's handler runs within the thread it interrupts: ``set`` of an event would wait for ever for a ``wait`` that it
    interrupted.
    """

    def __init__(self) -> None:
        self._told, self._tell = os.pipe()  # never read, so that it stays told

    def set(self) -> None:
        """Tell it, also from a signal's handler."""
        os.write(self._tell, b".")

    def is_set(self) -> bool:
        """Whether it was told."""
        return self.wait(0)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is told, at most so long; whether it was."""
        return bool(select.select([self._told], [], [], seconds)[0])


def wait_seconds(failures: int, seconds: float) -> float:
    """How long to wait after so many failures in a row: the usual time, then twice as long each time, up to a bound.

    >>> [wait_seconds(failures, 1.0) for failures in (0, 1, 2, 10, 10_000)]
    [1.0, 2.0, 4.0, 30.0, 30.0]
    """
    return float(min(seconds * 2 ** min(failures, 16), max(seconds, LONGEST_WAIT_SECONDS)))


def repeat(opened: Callable[[], AbstractContextManager[Look]], *, seconds: float, stop: Stop) -> None:
    """Call what ``opened`` gives again and again until told to stop.

    An error of the platform's is logged, and everything is opened anew after a while: a broker, database or Airflow that is away
    comes back, and what a person must mend is mended while this program runs. Any other error is a fault of the program: it ends.

    Args:
        opened: Opens the connections of a look, and closes them after an error or at the end.
        seconds: From the end of a look to the next.
        stop: Ends the loop, also while it waits.
    """
    failures = 0
    while not stop.is_set():
        try:
            with opened() as look:
                while not stop.is_set():
                    look()
                    failures = 0
                    stop.wait(seconds)
        except CommonwealError as error:
            failures += 1
            again = wait_seconds(failures, seconds)
            log.warning("look_failed", error=type(error).__name__, message=str(error), failures=failures, again_in_seconds=again)
            stop.wait(again)


def stop_at_signal() -> Stop:
    """What SIGTERM and SIGINT tell to stop; a look that hangs in a time-out is left soon after, since it may be at any point."""
    stop = Stop()
    threading.Thread(target=_leave, args=(stop,), daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


def _leave(stop: Stop) -> None:
    stop.wait()
    time.sleep(GRACE_SECONDS)
    os._exit(0)


def log_as_json() -> None:
    """One JSON object a line on standard error, times in UTC."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
