"""Ends or stops this very process at a named point of the code, from outside of it: the product holds no hooks.

A point is a chain of events, each ``module:function:call`` or ``module:function:return``; it is reached when all of them have
happened in this order. Python's own tracing sees the calls; only functions of a chain are looked at closer.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass(frozen=True)
class Event:
    """A call of a function, or its return.

    Attributes:
        module: The module that defines the function.
        function: Its qualified name.
        when: ``call`` or ``return``.
    """

    module: str
    function: str
    when: str

    def is_in(self, frame: FrameType) -> bool:
        return frame.f_code.co_qualname == self.function and frame.f_globals.get("__name__") == self.module


def chain(text: str) -> tuple[Event, ...]:
    """The events of a chain, written ``module:function:call > module:function:return``.

    >>> chain("commonweal.lake.commit:_stage:return")
    (Event(module='commonweal.lake.commit', function='_stage', when='return'),)
    """
    events = tuple(Event(*part.strip().split(":")) for part in text.split(">"))
    if any(event.when not in ("call", "return") for event in events):
        raise ValueError(f"an event is a call or a return: {text}")
    return events


def at(events: Iterable[Event], act: Callable[[], None]) -> None:
    """Call ``act`` once, in this thread, as soon as all events have happened in their order."""
    waiting = list(events)

    def advance() -> None:
        del waiting[0]
        if not waiting:
            sys.settrace(None)
            act()

    def returned(frame: FrameType, event: str, _: Any) -> Any:
        if event == "return" and waiting and waiting[0].is_in(frame):
            advance()
        return returned

    def called(frame: FrameType, event: str, _: Any) -> Any:
        if not waiting or not waiting[0].is_in(frame):
            return None
        if waiting[0].when == "call":
            advance()
            return None
        frame.f_trace_lines = False
        return returned

    sys.settrace(called)


def end_myself() -> None:
    """SIGKILL: nothing of this process runs any more, no ``finally``, no ``atexit``."""
    os.kill(os.getpid(), signal.SIGKILL)


def stop_myself() -> None:
    """SIGSTOP: every thread stands still, also the one that renews the lease, until somebody sends SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)
