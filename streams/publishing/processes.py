"""Processes that do a part of publishing each: they say how far they are, and none outlives the one that asked."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import Any

from commonweal.errors import CommonwealError

TELLS_EVERY = 500
Tell = Callable[[int], None]
Work = Callable[..., object]
"""Takes its arguments and, last, a ``Tell``; what it returns is the last that its process says."""


def warm(modules: Sequence[str]) -> None:
    """Let a process load what the others need, to fork them from it."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(modules))
    forkserver.ensure_running()


@contextmanager
def started(work: Work, arguments: Iterable[tuple[object, ...]]) -> Iterator[list[Connection]]:
    """A process for each tuple of arguments, none of which outlives this block; what they say, in the same order."""
    context = multiprocessing.get_context("forkserver")
    processes, channels = [], []
    try:
        for given in arguments:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_run, args=(work, given, there), daemon=True)
            process.start()
            there.close()
            processes.append(process)
            channels.append(here)
        yield channels
    finally:
        for process in processes:
            process.terminate()
            process.join()


def said(channels: Iterable[Connection]) -> Iterator[tuple[Connection, Any]]:
    """What processes say, as it comes: numbers, and at last what their work returned, or None when they ended without.

    Raises:
        CommonwealError: One of them raised it.
    """
    waiting = set(channels)
    while waiting:
        ready = wait(list(waiting))
        for channel in [channel for channel in waiting if channel in ready]:
            try:
                heard = channel.recv()
            except EOFError:
                heard = None
            if isinstance(heard, CommonwealError):
                raise heard
            if not isinstance(heard, int):
                waiting.discard(channel)
            yield channel, heard


def _run(work: Work, given: tuple[object, ...], channel: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the process that asked, and that one ends this one
    untold = 0

    def tell(count: int) -> None:
        nonlocal untold
        untold += count
        if untold >= TELLS_EVERY:
            say(untold)
            untold = 0

    def say(what: object) -> None:
        try:
            channel.send(what)
        except OSError:  # who asked is gone
            os._exit(1)

    try:
        found = work(*given, tell)
    except CommonwealError as error:
        found = error
    except Exception as error:  # noqa: BLE001 - its text may hold values of rows, and would be printed with its trace
        sys.exit(f"a process of publishing ended with {type(error).__name__}, a fault of the platform; tell its engineers")
    say(untold)
    say(found)
