"""pyspark's daemon, from which Spark forks Python workers: it has loaded packages for them, and ends when none are wanted.

A worker lives for one task (``spark.python.worker.reuse`` is off), so that changed code is read by the next one, and no key of
pseudonyms outlives the task that needed it. What it imports of other people's packages took most of a second each time: here the
daemon has loaded that, and nothing of the platform's own.
"""

import os
import signal
import sys
import time
from types import FrameType

import psutil
from pyspark.daemon import manager

from infra.stack.preloading import preload

IDLE_SECONDS = 120.0
LOOK_SECONDS = 10.0
PACKAGES = (
    "asyncio",
    "cryptography.hazmat.primitives.asymmetric.x25519",
    "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.hazmat.primitives.hmac",
    "cryptography.hazmat.primitives.hpke",
    "cryptography.hazmat.primitives.serialization",
    "jsonschema_rs",
    "numpy.typing",
    "orjson",
    "pyarrow.compute",
    "pydantic_settings",
    "stdnum.cn.ric",
    "stdnum.cn.uscc",
    "yaml",
)
"""What is imported where records are decoded and folded; a test says when one is missing."""


def main(*, idle: float = IDLE_SECONDS, look: float = LOOK_SECONDS) -> None:
    """Run the daemon until it had no worker, and was asked for none, for ``idle`` seconds, looking every ``look`` seconds."""
    last_busy = time.monotonic()
    myself = psutil.Process()

    def note() -> None:
        nonlocal last_busy
        last_busy = time.monotonic()

    def on_alarm(_signal: int, _frame: FrameType | None) -> None:
        if myself.children():
            note()
        elif time.monotonic() - last_busy > idle:
            sys.exit(0)

    os.register_at_fork(after_in_parent=note)
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, look, look)  # a forked worker does not inherit the timer
    manager()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    preload(PACKAGES)
    main()
