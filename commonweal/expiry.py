"""Which landed events of one business key may go when the contract's retention has passed, and which stay for its state.

Retention is kept event by event, but what people read as the present state must not change by it. So of the old events

- those that hang together go or stay together: one (source, event id), what replaces what, and what took effect in one instant;
- nothing goes that took effect when or after a younger event did: history is cut at one point, never made wrong by a hole;
- what carries the last state of those that may go stays, whole, with the last one that says the same; so does what was withdrawn,
  or a later export would bring it back. These are *base events*, older than what the retention allows;
- if the key's state would be another one after all, now or once a later export says again what has gone, nothing of the key goes.

An event that has gone can't come again: landing refuses what was recorded before the retention began.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from commonweal.states import Event, Verdict, settle

AGAIN = ""
"""The id of an event that might come: no event has it."""


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
    groups = _leaving(events, is_old)
    leaving = sorted(index for group in groups for index in group)
    if not leaving:
        return Going()
    standing = {leaving[at] for at in _standing([events[index] for index in leaving])}
    bases = frozenset(index for group in groups if standing & set(group) for index in group)
    gone = frozenset(leaving) - bases
    return Going(gone, bases) if _is_same_state(events, gone) and _is_same_after_repeats(events, gone) else Going()


def _leaving(events: Sequence[Event], is_old: Sequence[bool]) -> list[list[int]]:
    """Groups that are old as a whole, and took effect before every event that stays for its youth."""
    groups = list(_groups(events))
    leaving = [group for group in groups if all(is_old[index] for index in group)]
    while True:
        going_on = {index for group in leaving for index in group}
        earliest = min((events[index].order for index in range(len(events)) if index not in going_on), default=None)
        before = [group for group in leaving if earliest is None or max(events[index].order for index in group) < earliest]
        if len(before) == len(leaving):
            return leaving
        leaving = before


def _groups(events: Sequence[Event]) -> Iterable[list[int]]:
    """Events that hang together: by id, by replacement, by instant, since two contents of one instant set each other aside."""
    leader = list(range(len(events)))

    def find(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    first: dict[object, int] = {}
    for index, event in enumerate(events):
        for link in ((event.source, event.event_id), (event.source, event.replaces or event.event_id), event.order):
            leader[find(index)] = find(first.setdefault(link, index))
    groups = defaultdict(list)
    for index in range(len(events)):
        groups[find(index)].append(index)
    return groups.values()


def _standing(leaving: Sequence[Event]) -> set[int]:
    """Of the events that leave, those on which a state stands: the last one, the last that says the same, what is withdrawn."""
    settled = settle(leaving)
    found = {at for at, outcome in enumerate(settled.outcomes) if outcome.verdict is Verdict.WITHDRAWN}
    if settled.state == "live":
        carrier = leaving[settled.carrier]
        same = [at for at, event in enumerate(leaving) if event.digest == carrier.digest and event.order >= carrier.order]
        found |= {settled.carrier, max(same, key=lambda at: (leaving[at].order, at != settled.carrier))}
    return found


def _is_same_state(events: Sequence[Event], gone: frozenset[int]) -> bool:
    """Whether the key's present state is the same, from the same event, without those that go."""
    before, kept = settle(events), [index for index in range(len(events)) if index not in gone]
    if not kept:
        return before.state == "unsettled"
    after = settle([events[index] for index in kept])
    return after.state == before.state and (after.state != "live" or kept[after.carrier] == before.carrier)


def _is_same_after_repeats(events: Sequence[Event], gone: frozenset[int]) -> bool:
    """Whether an event that went, said again by a later export, would make the same of the key as if it had not gone.

    Where it took effect earlier than all that stays, it would. One that took effect in an instant of what stays is ordered by the
    time of its export alone, and one that took effect later had been corrected to an earlier time.
    """
    kept = [event for index, event in enumerate(events) if index not in gone]
    earliest = min(event.order[:2] for event in kept) if kept else None
    last = max(event.recorded_at for event in events)
    for event in (events[index] for index in gone):
        if earliest and event.order[:2] >= earliest and event.replaces is None and not event.id_conflict:
            again = event._replace(event_id=AGAIN, recorded_at=last + 1)
            if _content([*events, again]) != _content([*kept, again]):
                return False
    return True


def _content(events: Sequence[Event]) -> tuple[str, str | None]:
    """The key's state and what it says, whichever event says so."""
    settled = settle(events)
    return settled.state, events[settled.carrier].digest if settled.state == "live" else None
