"""Sends a spool: a small one from this process, a large one from a process for each of its lanes.

A producer of kafka-python keeps one core busy, and no more, since it is Python; two of them send nearly twice as fast.
"""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from commonweal import bus
from commonweal.contract.model import Contract
from commonweal.errors import CommonwealError, TransientError
from commonweal.settings import Settings
from streams.publishing.event import Event, Origin
from streams.publishing.sending import OPTIONS, Acknowledgements, Sender, principal
from streams.publishing.spool import Lane, Spool

MANY = 20_000
"""Events from which on more processes are worth their start."""
TELLS_EVERY = 500


class Target(NamedTuple):
    """Where events go, and what they have in common."""

    contract: Contract
    origin: Origin
    settings: Settings


def warm() -> None:
    """Let a process load what lanes need while rows are checked, to fork them from it later."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    forkserver.ensure_running()


def send(spool: Spool, target: Target, progress: Callable[[int], None], *, many: int = MANY) -> Acknowledgements:
    """Send all events and wait for their acknowledgements.

    Args:
        spool: What to send.
        target: Where to.
        progress: Told how many more were acknowledged.
        many: From how many events on each lane has a process of its own.

    Raises:
        CommonwealError: There is no connection, as ``bus.producer``.
    """
    if spool.count < many:
        return _send(chain.from_iterable(lane.events() for lane in spool.lanes), target, progress)
    with _started(spool, target) as counts:
        return _gathered(counts, progress)


def _send(events: Iterable[Event], target: Target, progress: Callable[[int], None]) -> Acknowledgements:
    with bus.producer(target.settings, principal(target.contract), **OPTIONS) as producer:
        return Sender(producer, target.contract, target.origin, progress).send(events)


@contextmanager
def _started(spool: Spool, target: Target) -> Iterator[dict[Connection, int]]:
    """A process for each lane, none of which outlives this block; by what each says, how many events it was given."""
    context = multiprocessing.get_context("forkserver")
    processes, counts = [], {}
    try:
        for lane in spool.lanes:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_lane, args=(lane, target, there), daemon=True)
            process.start()
            there.close()
            processes.append(process)
            counts[here] = lane.count
        yield counts
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _gathered(counts: Mapping[Connection, int], progress: Callable[[int], None]) -> Acknowledgements:
    told: Counter[Connection] = Counter()
    found: dict[Connection, Acknowledgements] = {}
    while waiting := counts.keys() - found.keys():
        ready = wait(list(waiting))
        for channel in (item for item in waiting if item in ready):
            try:
                said: Any = channel.recv()
            except EOFError:
                gone = TransientError("a process that was sending ended")
                said = Acknowledgements(written=told[channel], unknown=counts[channel] - told[channel], cause=gone)
            if isinstance(said, CommonwealError):
                raise said
            if isinstance(said, Acknowledgements):
                found[channel] = said
            else:
                told[channel] += said
                progress(said)
    return sum(found.values(), Acknowledgements())


def _lane(lane: Lane, target: Target, channel: Connection) -> None:
    """What the process of a lane does: it says how many more were acknowledged, and at last what became of all."""
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
        found = _send(lane.events(), target, tell)
        say(untold)
        say(found)
    except CommonwealError as error:
        say(error)
