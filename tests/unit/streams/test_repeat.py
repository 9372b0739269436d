import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from commonweal.errors import ConfigError, TransientError
from streams.repeat import GRACE_SECONDS, Stop, repeat

PROGRAM = """
import time, threading
from contextlib import nullcontext
from streams.repeat import log_as_json, repeat, stop_at_signal
log_as_json()
stop = stop_at_signal()
print("ready", flush=True)
repeat(lambda: nullcontext(lambda: {look}), seconds=600, stop=stop)
print("ended", flush=True)
"""


INTERRUPTED = """
import signal, sys
from streams.repeat import stop_at_signal
steps = int(sys.argv[1])
stop = stop_at_signal()

def trace(frame, kind, _):
    global steps
    steps -= kind == "line"
    if not steps:
        sys.settrace(None)
        signal.raise_signal(signal.SIGTERM)
    return trace

sys.settrace(trace)
stop.wait(0.1)
sys.settrace(None)
print("signalled" if stop.is_set() else "not yet", flush=True)
"""
"""A signal that comes just before a certain line of a wait."""


@pytest.mark.parametrize("error", [TransientError, ConfigError])
def test_an_error_of_the_platform_opens_everything_anew(error):
    stop, events = Stop(), []

    @contextmanager
    def opened():
        events.append("open")
        yield look
        events.append("close")

    def look():
        events.append("look")
        if events.count("look") == 2:
            raise error("away")
        if events.count("look") == 4:
            stop.set()

    repeat(opened, seconds=0.001, stop=stop)
    assert events == ["open", "look", "look", "open", "look", "look", "close"]


def test_a_fault_of_the_program_ends_it():
    @contextmanager
    def opened():
        yield lambda: {}["missing"]

    with pytest.raises(KeyError):
        repeat(opened, seconds=0.001, stop=Stop())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_program_that_waits_at_once(number):
    said, seconds, code = _signalled("None", number)
    assert (said, code) == ("ended", 0)
    assert seconds < GRACE_SECONDS


def test_a_signal_ends_a_program_that_hangs_soon():
    _, seconds, code = _signalled("threading.Lock().acquire() and time.sleep(600)", signal.SIGTERM)
    assert code == 0
    assert seconds < GRACE_SECONDS + 5


def test_a_signal_at_any_line_of_a_wait_is_taken():
    said = []
    while "not yet" not in said:
        program = [sys.executable, "-c", INTERRUPTED, str(len(said) + 1)]
        said.append(subprocess.run(program, capture_output=True, text=True, check=True, timeout=30).stdout.strip())
    assert said[:-1]
    assert set(said[:-1]) == {"signalled"}


def _signalled(look: str, number: int) -> tuple[str, float, int]:
    program = subprocess.Popen([sys.executable, "-c", PROGRAM.format(look=look)], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    time.sleep(0.2)
    begin = time.monotonic()
    os.kill(program.pid, number)
    said = program.stdout.read().strip()
    return said, time.monotonic() - begin, program.wait(timeout=30)
