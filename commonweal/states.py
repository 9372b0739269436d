"""From the events of one business key to its states: a pure fold in which the order of arrival can't matter.

Every accepted event gets exactly one verdict, so that
``accepted = live + superseded + duplicate + conflict + pending + withdrawn`` holds key by key.

- Events with one (source, id) and the same content are one event: all but one are *duplicates*. With different contents they
  are a *conflict*: all are set aside.
- ``corrected`` and ``withdrawn`` name the event they replace. A target that has not landed makes them *pending*; a target under
  another key, in conflict, or that leads back to the event itself, makes them a *conflict*. Of several replacements of one event
  the one recorded last counts.
- States are ordered by (occurred_at, sequence, recorded_at). A tie of all three with different content is a *conflict*. A state
  that says the same as the one before it, as every later export does of what has not changed, is a *duplicate* of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, zip_longest
from typing import NamedTuple

NEVER = -(2**63)


class Verdict(StrEnum):
    """What became of one accepted event."""

    LIVE = "live"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    PENDING = "pending"
    WITHDRAWN = "withdrawn"


class Target(StrEnum):
    """Where the event stands that a replacement names."""

    NONE = "none"
    SAME_KEY = "same_key"
    OTHER_KEY = "other_key"
    ABSENT = "absent"


class Event(NamedTuple):
    """What the fold needs of one landed event; instants are microseconds since 1970.

    Attributes:
        place: Topic, partition and offset: unique, and used only to choose among equal copies.
        id_conflict: True when the same (source, event id) landed with another content, under any key.
    """

    place: tuple[str, int, int]
    source: str
    event_id: str
    event_type: str
    replaces: str | None
    digest: str
    occurred_at: int
    sequence: int | None
    recorded_at: int
    id_conflict: bool
    target: Target

    @property
    def order(self) -> tuple[int, int, int]:
        """What orders states: when it took effect, the sequence of the export, when it was recorded."""
        return self.occurred_at, NEVER if self.sequence is None else self.sequence, self.recorded_at


class Outcome(NamedTuple):
    """What became of one event; periods are half-open, ``valid_to`` None while the state holds."""

    verdict: Verdict
    valid_from: int | None = None
    valid_to: int | None = None


@dataclass(frozen=True)
class Settled:
    """One key after the fold.

    Attributes:
        outcomes: One per event, in the order given.
        state: ``live``, ``withdrawn``, or ``unsettled`` when every event was set aside or waits.
        carrier: Index of the event that carries the key's row: the live one, or the first of them by source and id.
    """

    outcomes: tuple[Outcome, ...]
    state: str
    carrier: int


Identity = tuple[str, str]


def settle(events: Sequence[Event]) -> Settled:
    """Fold all accepted landed events of one key.

    Args:
        events: Every event of the key, in any order; at least one.
    """
    verdicts: list[Verdict | None] = [None] * len(events)
    chosen = _one_per_identity(events, verdicts)
    slots = _resolve_replacements(events, chosen, verdicts)
    ordered = _order(events, slots, verdicts)
    periods = _periods(events, ordered)
    outcomes = tuple(
        Outcome(verdict or Verdict.SUPERSEDED, *periods.get(index, (None, None))) for index, verdict in enumerate(verdicts)
    )
    if ordered:
        return Settled(outcomes, "live", ordered[-1])
    state = "withdrawn" if Verdict.WITHDRAWN in verdicts else "unsettled"
    return Settled(outcomes, state, min(range(len(events)), key=lambda index: _copy_order(events[index])))


def _one_per_identity(events: Sequence[Event], verdicts: list[Verdict | None]) -> dict[Identity, int]:
    """Mark copies and conflicts of one (source, id); return the event that stands for each identity."""
    chosen: dict[Identity, int] = {}
    for index, event in enumerate(events):
        if event.id_conflict:
            verdicts[index] = Verdict.CONFLICT
            continue
        identity = event.source, event.event_id
        first = min(index, chosen.get(identity, index), key=lambda copy: _copy_order(events[copy]))
        if identity in chosen:
            verdicts[index if first != index else chosen[identity]] = Verdict.DUPLICATE
        chosen[identity] = first
    return chosen


def _copy_order(event: Event) -> tuple[str, str, int, tuple[str, int, int]]:
    return event.source, event.event_id, event.recorded_at, event.place


def _resolve_replacements(events: Sequence[Event], chosen: dict[Identity, int], verdicts: list[Verdict | None]) -> list[int]:
    """Mark what replaces and is replaced; return the events that are effective states."""
    copies = _same_again(events, chosen, verdicts)
    targets = {index: _standing(events[index], chosen, copies) for index in chosen.values() if events[index].replaces is not None}
    for index in targets:
        verdicts[index] = _fate(index, events, targets)
    replacements: dict[int, list[int]] = defaultdict(list)
    for index, target in targets.items():
        if verdicts[index] is None and isinstance(target, int):
            replacements[target].append(index)
    roots = [index for index in chosen.values() if events[index].replaces is None and index not in copies]
    slots = [state for root in roots if (state := _effective(root, events, replacements, verdicts)) is not None]
    for index in targets:
        if verdicts[index] is None and _hangs_on_conflict(index, targets, verdicts):
            verdicts[index] = Verdict.CONFLICT
    return slots


def _same_again(events: Sequence[Event], chosen: dict[Identity, int], verdicts: list[Verdict | None]) -> dict[int, int]:
    """Recorded events that say what the one before them said, as each later export does of what hasn't changed.

    Returns:
        By event that says the same again, the first that said it: who replaces one of them replaces the state that all are.
    """
    copies: dict[int, int] = {}
    first: int | None = None
    recorded = [index for index in chosen.values() if events[index].replaces is None]
    by_time = sorted(recorded, key=lambda index: (events[index].order, _copy_order(events[index])))
    for _, group in groupby(by_time, key=lambda index: events[index].order):
        tied = list(group)
        if len({events[index].digest for index in tied}) > 1:
            first = None
            continue
        for index in tied:
            if first is not None and events[index].digest == events[first].digest:
                copies[index], verdicts[index] = first, Verdict.DUPLICATE
            else:
                first = index
    return copies


def _standing(event: Event, chosen: dict[Identity, int], copies: dict[int, int]) -> int | Verdict:
    """The index of the event that is replaced, or why there is none."""
    if event.target is Target.OTHER_KEY:
        return Verdict.CONFLICT
    if event.target is Target.ABSENT:
        return Verdict.PENDING
    found = chosen.get((event.source, str(event.replaces)))
    return Verdict.CONFLICT if found is None else copies.get(found, found)


def _fate(index: int, events: Sequence[Event], targets: dict[int, int | Verdict]) -> Verdict | None:
    """Follow the chain of targets: it must end at an event that replaces nothing."""
    seen = {index}
    at = targets[index]
    while isinstance(at, int):
        if at in seen:
            return Verdict.CONFLICT
        seen.add(at)
        if events[at].replaces is None:
            return None
        at = targets[at]
    return at


def _hangs_on_conflict(index: int, targets: dict[int, int | Verdict], verdicts: list[Verdict | None]) -> bool:
    """True when an event replaces, directly or not, one that was set aside."""
    at: int | Verdict = targets[index]
    while isinstance(at, int):
        if verdicts[at] is Verdict.CONFLICT:
            return True
        at = targets.get(at, Verdict.PENDING)
    return False


def _effective(
    root: int, events: Sequence[Event], replacements: dict[int, list[int]], verdicts: list[Verdict | None]
) -> int | None:
    """Follow the last recorded replacement from event to event; None when the slot ends withdrawn."""
    at, before = root, root
    while (winner := _last_recorded(at, replacements, events, verdicts)) is not None:
        verdicts[at] = Verdict.SUPERSEDED
        before, at = at, winner
    if events[at].event_type == "withdrawn":
        verdicts[at] = verdicts[before] = Verdict.WITHDRAWN
        return None
    return at


def _last_recorded(
    at: int, replacements: dict[int, list[int]], events: Sequence[Event], verdicts: list[Verdict | None]
) -> int | None:
    """The replacement recorded last; those of one instant with different content are set aside.

    Replacements that say the same, one after the other, are one: who replaces one of them replaces the one that counts.
    """
    by_instant = sorted(replacements.get(at, []), key=lambda index: (-events[index].recorded_at, _copy_order(events[index])))
    winner: int | None = None
    for _, group in groupby(by_instant, key=lambda index: events[index].recorded_at):
        tied = list(group)
        if winner is not None and any(events[index].digest != events[winner].digest for index in tied):
            return winner
        if len({events[index].digest for index in tied}) > 1:
            for index in tied:
                verdicts[index] = Verdict.CONFLICT
            continue
        winner = tied[0] if winner is None else winner
        for index in tied:
            if index != winner:
                verdicts[index] = Verdict.DUPLICATE
                replacements[winner] = [*replacements.get(winner, []), *replacements.get(index, [])]
    return winner


def _order(events: Sequence[Event], slots: Iterable[int], verdicts: list[Verdict | None]) -> list[int]:
    """The effective states in order; ties with different content are set aside, the same again is one state."""
    ordered: list[int] = []
    by_time = sorted(slots, key=lambda index: (events[index].order, _copy_order(events[index])))
    for _, group in groupby(by_time, key=lambda index: events[index].order):
        tied = list(group)
        if len({events[index].digest for index in tied}) > 1:
            for index in tied:
                verdicts[index] = Verdict.CONFLICT
            continue
        for index in tied:
            if ordered and events[index].digest == events[ordered[-1]].digest:
                verdicts[index] = Verdict.DUPLICATE
            else:
                ordered.append(index)
    for index in ordered[:-1]:
        verdicts[index] = Verdict.SUPERSEDED
    if ordered:
        verdicts[ordered[-1]] = Verdict.LIVE
    return ordered


def _periods(events: Sequence[Event], ordered: list[int]) -> dict[int, tuple[int, int | None]]:
    starts = [events[index].occurred_at for index in ordered]
    return {index: (start, end) for index, start, end in zip_longest(ordered, starts, starts[1:])}
