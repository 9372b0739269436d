"""Expiry of one key's events: what people read stays, whatever goes, and whatever arrives later."""

from hypothesis import assume, given
from hypothesis import strategies as st

from commonweal.expiry import Going, going
from commonweal.states import Event, Verdict, settle
from tests.unit.event_histories import content, event, histories, placed


def expired(rows: list[dict], old: int) -> tuple[set[str], set[str]]:
    """The ids that go and those that stay as base events, when the first ``old`` rows are old."""
    found = going(placed(rows), [index < old for index in range(len(rows))])
    return {rows[index]["event_id"] for index in found.gone}, {rows[index]["event_id"] for index in found.bases}


def left(events: list[Event], found: Going) -> list[Event]:
    return [event for index, event in enumerate(events) if index not in found.gone]


def live(events: list[Event]) -> tuple[str, tuple | None]:
    settled = settle(events)
    carrier = events[settled.carrier]
    return settled.state, (carrier.event_id, carrier.digest, carrier.order) if settled.state == "live" else None


def state(events: list[Event]) -> tuple[str, str | None]:
    """The key's state and its content, whichever event says so."""
    settled = settle(events)
    return settled.state, events[settled.carrier].digest if settled.state == "live" else None


def periods(events: list[Event]) -> set[tuple]:
    """The valid states with their periods."""
    outcomes = settle(events).outcomes if events else ()
    return {(e.event_id, e.digest, *o) for e, o in zip(events, outcomes, strict=True) if o.valid_from is not None}


def test_the_last_state_stays_and_those_before_it_go():
    assert expired([event("a", at=1), event("b", at=2), event("c", at=3)], 3) == ({"a", "b"}, {"c"})
    assert expired([event("a", at=1), event("b", at=2), event("c", at=3)], 2) == ({"a"}, {"b"})
    assert expired([event("a", at=1)], 1) == (set(), {"a"})


def test_a_corrected_state_stays_whole_so_that_whatever_comes_again_meets_its_correction():
    rows = [event("old", at=0), event("a"), event("c", kind="corrected", replaces="a", recorded=2)]
    assert expired(rows, 3) == ({"old"}, {"a", "c"})


def test_a_correction_goes_with_what_it_corrected():
    rows = [event("a"), event("c", kind="corrected", replaces="a", recorded=2), event("b", at=9)]
    assert expired(rows, 3) == ({"a", "c"}, {"b"})


def test_a_state_stays_that_a_later_export_would_make_new_beside_a_correction_of_its_instant():
    """``c`` came before ``b`` by the time of the export alone; said again it would come after, were it no known copy."""
    rows = [
        event("b", kind="corrected", replaces="a", digest="y", recorded=2),
        event("c", digest="x"),
        event("a", digest="z", sequence=2),
    ]
    assert expired(rows, 3) == (set(), set())
    again = event("again", digest="x", recorded=9)
    assert state(placed([*rows, again]))[1] == "y"
    assert state(placed([row for row in rows if row["event_id"] != "c"] + [again]))[1] == "x"


def test_a_state_that_was_corrected_to_an_earlier_time_does_not_come_back_with_a_later_export():
    rows = [
        event("e", digest="x", at=2),
        event("b", kind="corrected", replaces="e", digest="y", recorded=2),
        event("a", digest="z", sequence=1),
    ]
    assert expired(rows, 3) == (set(), set())


def test_nothing_goes_that_a_young_event_replaces_repeats_or_contradicts():
    assert expired([event("a"), event("c", kind="corrected", replaces="a", recorded=2)], 1) == (set(), set())
    assert expired([event("a", digest="x"), event("z", at=9), event("a", digest="y", at=5)], 2) == (set(), set())
    assert expired([event("b"), event("a", at=3), event("c", at=3)], 2) == (set(), {"b"})


def test_history_is_cut_at_one_point():
    """``late`` took effect between two old states: what came after it stays, or it would seem to have held for longer."""
    rows = [event("a", at=1), event("b", at=3), event("c", at=4), event("late", at=2, recorded=9)]
    assert expired(rows, 3) == (set(), {"a"})


def test_what_was_withdrawn_stays_whole_so_that_a_later_export_does_not_bring_it_back():
    rows = [
        event("a"),
        event("c", kind="corrected", replaces="a", recorded=2),
        event("w", kind="withdrawn", replaces="c", recorded=3),
    ]
    assert expired(rows, 3) == (set(), {"a", "c", "w"})
    again = [*rows, event("copy", digest="a", recorded=9)]
    assert settle(placed(again)).state == "withdrawn"


def test_what_was_set_aside_goes_and_leaves_nothing():
    assert expired([event("a"), event("b")], 2) == ({"a", "b"}, set())
    assert expired([event("c", kind="corrected", replaces="gone")], 1) == ({"c"}, set())


@given(histories(), st.integers(1, 7))
def test_the_present_state_never_changes(rows, old):
    rows = [{**row, "digest": content(row)} for row in rows]
    events = placed(rows)
    found = going(events, [index < old for index in range(len(rows))])
    rest = left(events, found)
    assert all(index < old for index in found.gone | found.bases)
    assert live(rest) == live(events) if rest else settle(events).state == "unsettled"


@given(histories(), st.integers(1, 7))
def test_what_is_left_of_history_is_what_it_was(rows, old):
    rows = [{**row, "digest": content(row)} for row in rows]
    events = placed(rows)
    found = going(events, [index < old for index in range(len(rows))])
    rest = left(events, found)
    assert periods(rest) <= periods(events)


@given(histories(), st.integers(1, 7))
def test_expired_twice_is_expired_once(rows, old):
    rows = [{**row, "digest": content(row)} for row in rows]
    events, is_old = placed(rows), [index < old for index in range(len(rows))]
    found = going(events, is_old)
    rest = left(events, found)
    assert going(rest, [flag for index, flag in enumerate(is_old) if index not in found.gone]).gone == frozenset()


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from("xyz")), min_size=2, max_size=6), st.integers(1, 6), st.integers(1, 5)
)
def test_a_late_event_settles_as_if_nothing_had_gone(states, old, at):
    rows = [event(f"e{number}", at=when, digest=said, recorded=number) for number, (when, said) in enumerate(states)]
    late = event("late", at=at, digest="x", recorded=99)
    whole, found = placed([*rows, late]), going(placed(rows), [index < old for index in range(len(rows))])
    rest = [*left(placed(rows), found), whole[-1]]
    assert (settle(rest).state, rest[settle(rest).carrier].digest) == (settle(whole).state, whole[settle(whole).carrier].digest)


@given(histories(), st.integers(1, 7), st.integers(0, 6))
def test_a_later_export_that_says_again_what_was_said_settles_as_if_nothing_had_gone(rows, old, which):
    rows = [{**row, "digest": content(row)} for row in rows]
    found = going(placed(rows), [index < old for index in range(len(rows))])
    kept = [row for index, row in enumerate(rows) if index not in found.gone]
    recorded = [row for row in rows if row["replaces"] is None]
    assume(recorded)
    again = {**recorded[which % len(recorded)], "event_id": "again", "recorded_at": 99}
    # What contradicts itself or waits goes whole, and a later export may settle it.
    assume(not {Verdict.CONFLICT, Verdict.PENDING} & {outcome.verdict for outcome in settle(placed(rows)).outcomes})
    assert state(placed([*rows, again])) == state(placed([*kept, again]))
