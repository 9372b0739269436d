"""One step in a process of its own, as Airflow starts it: it may be killed, stopped, or led through a proxy."""

import contextlib
import importlib
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from commonweal import compaction
from commonweal.errors import CommonwealError
from commonweal.settings import ROOT, Settings
from tests.faults import clock, crash
from tests.faults.world import lend_transform

PRELOADED = ["commonweal.steps.land", "commonweal.steps.clean", "commonweal.steps.gate", "commonweal.steps.release"]
PRELOADED += ["commonweal.steps.join", "commonweal.steps.run", "pyspark.sql.connect.session", "pyiceberg.catalog.sql"]
PRELOADED += ["pyiceberg.io.pyarrow", "psycopg", "great_expectations", "streams.announce", "minio", "jinja2"]


@dataclass(frozen=True)
class Order:
    """What a child does.

    Attributes:
        step: A step of a run, or ``announce``.
        dataset: The dataset.
        settings: How it reaches everything.
        log: File that takes what it says.
        chain: The point at which it ends or stops itself, see ``crash.chain``; empty for none.
        stops: True to stop there, and not to end.
        few_files: How many files a table may have before the step joins them; None for as many as in production.
    """

    step: str
    dataset: str
    settings: Settings
    log: Path
    chain: str = ""
    stops: bool = False
    few_files: int | None = None


def start(order: Order) -> BaseProcess:
    """Start a child; forked from a process that has imported what steps need, and opened nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=_run, args=(order,), daemon=True)
    child.start()
    return child


def end_of(order: Order, seconds: float = 180) -> int:
    """Run a child to its end; returns its exit code, minus the signal's number when a signal ended it."""
    return await_end(start(order), seconds)


def await_end(child: BaseProcess, seconds: float = 180) -> int:
    """Wait for a child's end; one that hangs is killed, and that is an error."""
    child.join(seconds)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise AssertionError(f"a step did not end in {seconds:.0f} s")
    return child.exitcode


def await_stop(child: BaseProcess) -> None:
    """Wait until a child has stopped itself."""
    deadline = time.monotonic() + 120
    while psutil.Process(child.pid).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline, "it did not come to the point"
        time.sleep(0.05)


def ends_by_clock(orders: Iterable[Order], shift: timedelta) -> list[int]:
    """Run steps, one after the other, in one process whose clock is wrong; returns their exit codes."""
    given = pickle.dumps(list(orders))
    own = os.environ | clock.environment(shift)
    began = time.time()
    done = subprocess.run([sys.executable, "-m", __name__], input=given, env=own, cwd=ROOT, capture_output=True, timeout=300)  # noqa: PLW1510
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    said = json.loads(done.stdout)
    right = said["now"] - shift.total_seconds()
    assert began - 1 < right < time.time() + 1, "its clock was not what it was to be: this shows nothing"
    return [int(code) for code in said["endings"]]


def _run(order: Order) -> None:
    with order.log.open("a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        if order.step == "join":
            lend_transform(order.dataset)
        function = importlib.import_module("streams.announce" if order.step == "announce" else "commonweal.steps.run")
        if order.few_files is not None:
            compaction.FEW_FILES = order.few_files
        if order.chain:
            crash.at(crash.chain(order.chain), crash.stop_myself if order.stops else crash.end_myself)
        try:
            if order.step == "announce":
                function.announce(order.settings)
            else:
                function.run_step(order.step, order.dataset, order.settings)
        except CommonwealError as error:
            print(f"{order.step}: {type(error).__name__}: {error}", flush=True)
            sys.exit(error.exit_code)


def _ending(order: Order) -> int:
    try:
        _run(order)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    print(json.dumps({"endings": [_ending(order) for order in pickle.load(sys.stdin.buffer)], "now": time.time()}))
