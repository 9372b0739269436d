"""Sends a spool: a small one from this process, a large one from a process for each of its lanes.

A producer of kafka-python keeps one core busy, and no more, since it is Python; two of them send nearly twice as fast.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from multiprocessing.connection import Connection
from typing import NamedTuple

from commonweal import bus
from commonweal.contract.model import Contract
from commonweal.errors import TransientError
from commonweal.settings import Settings
from streams.publishing.event import Event, Origin
from streams.publishing.processes import said, started
from streams.publishing.sending import OPTIONS, Acknowledgements, Sender, principal
from streams.publishing.spool import Lane, Spool

MANY = 20_000
"""Events from which on more processes are worth their start."""


class Target(NamedTuple):
    """Where events go, and what they have in common."""

    contract: Contract
    origin: Origin
    settings: Settings


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
    if spool.size < many:
        return _send(chain.from_iterable(lane.events() for lane in spool.lanes), target, progress)
    with started(_lane, ((lane, target) for lane in spool.lanes)) as channels:
        sizes = (lane.size for lane in spool.lanes)
        return _gathered(dict(zip(channels, sizes, strict=True)), progress)


def _lane(lane: Lane, target: Target, tell: Callable[[int], None]) -> Acknowledgements:
    return _send(lane.events(), target, tell)


def _send(events: Iterable[Event], target: Target, progress: Callable[[int], None]) -> Acknowledgements:
    with bus.producer(target.settings, principal(target.contract), **OPTIONS) as producer:
        return Sender(producer, target.contract, target.origin, progress).send(events)


def _gathered(sizes: Mapping[Connection, int], progress: Callable[[int], None]) -> Acknowledgements:
    """What became of all events; of a process that ended early, those are unknown of which it told nothing."""
    told: Counter[Connection] = Counter()
    found = Acknowledgements()
    for channel, heard in said(sizes):
        if isinstance(heard, int):
            told[channel] += heard
            progress(heard)
        elif isinstance(heard, Acknowledgements):
            found += heard
        else:
            gone = TransientError("a process that was sending ended")
            found += Acknowledgements(written=told[channel], unknown=sizes[channel] - told[channel], cause=gone)
    return found
