"""What watch does about what it sees: a decision without any input or output."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_PAUSE_SECONDS = 900.0


@dataclass(frozen=True)
class Sight:
    """What watch sees of one dataset.

    Attributes:
        dataset: The dataset's id.
        reasons: Why a run would have something to do, each a plain word or two; empty when it would not.
        basis: What a run would work on: landed and end offsets, released inputs, digests of contract, suite and code.
        finished: How many attempts and runs of the dataset have ended, so that a new run after a failed one has a new id.
        is_active: A run is queued or running.
        is_filling: It was never released, and its topics still grow: a first backlog is landed as one.
        is_final: The last attempt over this very basis ended in an error that no repetition mends.
        starts: How often this program has started a run without anything having come of it.
        last_active: When it last saw such a run under way, or started it, on this program's own clock.
    """

    dataset: str
    reasons: tuple[str, ...]
    basis: str
    finished: int
    is_active: bool = False
    is_filling: bool = False
    is_final: bool = False
    starts: int = 0
    last_active: float = 0.0


@dataclass(frozen=True)
class Start:
    """A run to be started."""

    dataset: str
    run_id: str
    reasons: tuple[str, ...]


def decide(sights: Iterable[Sight], *, now: float, pause_seconds: float) -> tuple[Start, ...]:
    """The runs to start, sorted by dataset.

    Two programs that see the same decide the same, down to the run's id, so that Airflow refuses the second.

    Args:
        sights: One per dataset.
        now: This program's clock.
        pause_seconds: The pause after a run that brought nothing; it doubles with each, up to a quarter of an hour.
    """
    due = (sight for sight in sights if _is_due(sight, now, pause_seconds))
    return tuple(Start(sight.dataset, run_id(sight), sight.reasons) for sight in sorted(due, key=lambda sight: sight.dataset))


def run_id(sight: Sight) -> str:
    """The id of the run that takes up what is seen: another one as soon as there is anything new, or an attempt has ended."""
    seen = json.dumps([sight.dataset, sight.basis, sight.finished])
    return f"{sight.dataset}__{hashlib.sha256(seen.encode()).hexdigest()[:16]}"


def pause(starts: int, pause_seconds: float) -> float:
    """The pause after so many runs that brought nothing.

    >>> [pause(starts, 30.0) for starts in (0, 1, 2, 3, 99)]
    [0.0, 30.0, 60.0, 120.0, 900.0]
    """
    if starts == 0:
        return 0.0
    return float(min(pause_seconds * 2 ** min(starts - 1, 16), max(LONGEST_PAUSE_SECONDS, pause_seconds)))


def _is_due(sight: Sight, now: float, pause_seconds: float) -> bool:
    if not sight.reasons or sight.is_active or sight.is_filling or sight.is_final:
        return False
    return sight.starts == 0 or now >= sight.last_active + pause(sight.starts, pause_seconds)
