"""Which landed events of one business key may go when the contract's retention has passed, and which stand for what went.

Retention is kept event by event, but what people read as the present state must not change by it. So of the old events

- those that hang together go together: one (source, event id), and what replaces what. Such a group stays as long as its newest
  event;
- of the groups that may go, the event that carries their last state stays, and the last one that says the same; so do withdrawals
  that count. These are *base events*: they count though their target is gone, and are older than what the retention allows;
- nothing goes that took effect when or after an event that stays did: history is cut at one point, never made wrong by a hole;
- if the key's state would be another one after all, nothing of the key goes.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from commonweal.states import Event, Settled, Target, Verdict, settle


class Going(NamedTuple):
    """What becomes of one key's events, as indexes: those that go, and those that stay as base events."""

    gone: frozenset[int] = frozenset()
    bases: frozenset[int] = frozenset()


def going(events: Sequence[Event], is_old: Sequence[bool]) -> Going:
    """Decide which events of one key go.

    Args:
        events: All accepted landed events of the key, in any order.
        is_old: For each, whether its retention has passed; False also for one whose id stands under other keys as well.

    Returns:
        Nothing in either set when all must stay.
    """
    leaving = _leaving(events, is_old)
    if not leaving:
        return Going()
    bases = _bases([events[index] for index in leaving], leaving)
    gone = frozenset(leaving) - bases
    is_settled = not gone and all(events[index].is_base for index in bases)
    if is_settled or not _is_same_state(events, gone, bases):
        return Going()
    return Going(gone, bases)


def _leaving(events: Sequence[Event], is_old: Sequence[bool]) -> list[int]:
    """Events of groups that are old as a whole, and that took effect before every event that stays."""
    groups = list(_groups(events))
    leaving = [group for group in groups if all(is_old[index] for index in group)]
    while True:
        going_on = {index for group in leaving for index in group}
        earliest = min((events[index].order for index in range(len(events)) if index not in going_on), default=None)
        before = [group for group in leaving if earliest is None or max(events[index].order for index in group) < earliest]
        if len(before) == len(leaving):
            return sorted(going_on)
        leaving = before


def _groups(events: Sequence[Event]) -> Iterable[list[int]]:
    """Events that hang together: by id, by replacement."""
    leader = list(range(len(events)))

    def find(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    first: dict[tuple[str, str | None], int] = {}
    for index, event in enumerate(events):
        for name in {event.event_id, event.replaces} - {None}:
            leader[find(index)] = find(first.setdefault((event.source, name), index))
    groups = defaultdict(list)
    for index in range(len(events)):
        groups[find(index)].append(index)
    return groups.values()


def _bases(leaving: Sequence[Event], indexes: Sequence[int]) -> frozenset[int]:
    """Of the events that leave, those that must stand for all of them."""
    settled = settle(leaving)
    found = {at for at, event in enumerate(leaving) if _withdraws(event, settled, at)}
    if settled.state == "live":
        carrier = leaving[settled.carrier]
        same = [at for at, event in enumerate(leaving) if event.digest == carrier.digest and event.order >= carrier.order]
        found |= {settled.carrier, max(same, key=lambda at: (leaving[at].order, at != settled.carrier))}
    return frozenset(indexes[at] for at in found)


def _withdraws(event: Event, settled: Settled, at: int) -> bool:
    return event.event_type == "withdrawn" and settled.outcomes[at].verdict is Verdict.WITHDRAWN


def _is_same_state(events: Sequence[Event], gone: frozenset[int], bases: frozenset[int]) -> bool:
    """Whether the key's present state is the same, from the same event, without those that go."""
    before, kept = settle(events), [index for index in range(len(events)) if index not in gone]
    if not kept:
        return before.state == "unsettled"
    after = settle(remaining(events, gone, bases))
    if before.state != "live":
        return after.state == before.state
    return after.state == "live" and kept[after.carrier] == before.carrier


def remaining(events: Sequence[Event], gone: Iterable[int], bases: Iterable[int]) -> list[Event]:
    """The events that stay, as the next fold sees them: with base events marked, and targets that went missing."""
    lost, based = set(gone), set(bases)
    ids = {(event.source, event.event_id) for index, event in enumerate(events) if index not in lost}
    kept = []
    for index, event in enumerate(events):
        if index in lost:
            continue
        is_lost = event.target is Target.SAME_KEY and (event.source, event.replaces) not in ids
        target = Target.ABSENT if is_lost else event.target
        kept.append(event._replace(is_base=event.is_base or index in based, target=target))
    return kept
