"""Expiry of one key's events: what people read stays, whatever goes, and whatever arrives later."""

from hypothesis import given
from hypothesis import strategies as st

from commonweal.expiry import Going, going, remaining
from commonweal.states import Event, Target, settle
from tests.unit.event_histories import content, event, histories, placed


def expired(rows: list[dict], old: int) -> tuple[set[str], set[str]]:
    """The ids that go and those that stay as base events, when the first ``old`` rows are old."""
    found = going(placed(rows), [index < old for index in range(len(rows))])
    return {rows[index]["event_id"] for index in found.gone}, {rows[index]["event_id"] for index in found.bases}


def live(events: list[Event]) -> tuple[str, tuple | None]:
    settled = settle(events)
    carrier = events[settled.carrier]
    return settled.state, (carrier.event_id, carrier.digest, carrier.order) if settled.state == "live" else None


def periods(events: list[Event]) -> set[tuple]:
    """The valid states with their periods."""
    outcomes = settle(events).outcomes if events else ()
    return {(e.event_id, e.digest, *o) for e, o in zip(events, outcomes, strict=True) if o.valid_from is not None}


def test_the_last_state_stays_and_those_before_it_go():
    assert expired([event("a", at=1), event("b", at=2), event("c", at=3)], 3) == ({"a", "b"}, {"c"})
    assert expired([event("a", at=1), event("b", at=2), event("c", at=3)], 2) == ({"a"}, {"b"})
    assert expired([event("a", at=1)], 1) == (set(), {"a"})


def test_a_correction_stays_for_what_it_corrected():
    rows = [event("a"), event("c", kind="corrected", replaces="a", recorded=2)]
    assert expired(rows, 2) == ({"a"}, {"c"})
    events = placed(rows)
    assert live(remaining(events, {0}, {1})) == live(events)


def test_nothing_goes_that_a_young_event_replaces_repeats_or_contradicts():
    assert expired([event("a"), event("c", kind="corrected", replaces="a", recorded=2)], 1) == (set(), set())
    assert expired([event("a", digest="x"), event("z", at=9), event("a", digest="y", at=5)], 2) == (set(), set())
    assert expired([event("b"), event("a", at=3), event("c", at=3)], 2) == (set(), {"b"})


def test_nothing_goes_when_the_state_would_be_another_event():
    """Of two copies, only one is a base event: it would carry the state when the old ones have gone, and doesn't now."""
    rows = [
        event("a", at=2, recorded=3),
        event("b", at=3, recorded=1),
        event("c", at=3, recorded=3),
        event("c", at=3, recorded=3),
    ]
    *others, copy = placed(rows)
    events = [*others, copy._replace(is_base=True)]
    assert going(events, [True, True, False, False]).gone == {0}
    assert going([others[2], copy._replace(is_base=True)], [True, True]) == Going()


def test_history_is_cut_at_one_point():
    """``late`` took effect between two old states: what came after it stays, or it would seem to have held for longer."""
    rows = [event("a", at=1), event("b", at=3), event("c", at=4), event("late", at=2, recorded=9)]
    assert expired(rows, 3) == (set(), {"a"})


def test_a_withdrawal_stays_so_that_the_record_does_not_come_back():
    rows = [event("a"), event("w", kind="withdrawn", replaces="a", recorded=2)]
    assert expired(rows, 2) == ({"a"}, {"w"})
    rest = remaining(placed(rows), {0}, {1})
    assert settle(rest).state == "withdrawn"
    again = [rest[0]._replace(target=Target.SAME_KEY), placed([event("a")])[0]._replace(place=("t", 0, 9))]
    assert settle(again).state == "withdrawn"


def test_what_was_set_aside_goes_and_leaves_nothing():
    assert expired([event("a"), event("b")], 2) == ({"a", "b"}, set())
    assert expired([event("c", kind="corrected", replaces="gone")], 1) == ({"c"}, set())


def test_a_base_event_sent_again_is_a_copy_of_it():
    rows = [event("a"), event("c", kind="corrected", replaces="a", recorded=2)]
    rest = remaining(placed(rows), {0}, {1})
    settled = settle([*rest, placed(rows)[1]._replace(place=("a", 0, 0), target=rest[0].target)])
    assert [outcome.verdict.value for outcome in settled.outcomes] == ["live", "duplicate"]


@given(histories(), st.integers(1, 7))
def test_the_present_state_never_changes(rows, old):
    rows = [{**row, "digest": content(row)} for row in rows]
    events = placed(rows)
    found = going(events, [index < old for index in range(len(rows))])
    rest = remaining(events, found.gone, found.bases)
    assert all(index < old for index in found.gone | found.bases)
    assert live(rest) == live(events) if rest else settle(events).state == "unsettled"


@given(histories(), st.integers(1, 7))
def test_what_is_left_of_history_is_what_it_was(rows, old):
    rows = [{**row, "digest": content(row)} for row in rows]
    events = placed(rows)
    found = going(events, [index < old for index in range(len(rows))])
    rest = remaining(events, found.gone, found.bases)
    assert periods(rest) <= periods(events)


@given(histories(), st.integers(1, 7))
def test_expired_twice_is_expired_once(rows, old):
    rows = [{**row, "digest": content(row)} for row in rows]
    events, is_old = placed(rows), [index < old for index in range(len(rows))]
    found = going(events, is_old)
    rest = remaining(events, found.gone, found.bases)
    assert going(rest, [flag for index, flag in enumerate(is_old) if index not in found.gone]).gone == frozenset()


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from("xyz")), min_size=2, max_size=6), st.integers(1, 6), st.integers(1, 5)
)
def test_a_late_event_settles_as_if_nothing_had_gone(states, old, at):
    rows = [event(f"e{number}", at=when, digest=said, recorded=number) for number, (when, said) in enumerate(states)]
    late = event("late", at=at, digest="x", recorded=99)
    whole, found = placed([*rows, late]), going(placed(rows), [index < old for index in range(len(rows))])
    rest = [*remaining(placed(rows), found.gone, found.bases), whole[-1]]
    assert (settle(rest).state, rest[settle(rest).carrier].digest) == (settle(whole).state, whole[settle(whole).carrier].digest)
