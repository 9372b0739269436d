"""The fold from events to states, against a plain model and random histories."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from commonweal.states import Settled, Target, Verdict, settle
from tests.unit.event_histories import content, event, histories, placed


def verdicts(rows: list[dict]) -> list[str]:
    return [outcome.verdict.value for outcome in settle(placed(rows)).outcomes]


def test_later_state_supersedes_and_closes_the_period():
    settled = settle(placed([event("a", at=1), event("b", at=5)]))
    assert settled.outcomes[0] == (Verdict.SUPERSEDED, 1, 5)
    assert settled.outcomes[1] == (Verdict.LIVE, 5, None)


def test_same_day_later_export_is_a_newer_state():
    assert verdicts([event("open", at=3, recorded=1), event("closed", at=3, recorded=2)]) == ["superseded", "live"]


def test_same_day_same_export_different_content_is_a_conflict():
    assert verdicts([event("a"), event("b")]) == ["conflict", "conflict"]


def test_a_tie_does_not_hide_an_older_state():
    assert verdicts([event("a", at=1), event("b", at=2), event("c", at=2)]) == ["live", "conflict", "conflict"]


def test_equal_content_twice_is_one_state():
    assert sorted(verdicts([event("a", digest="x"), event("b", digest="x")])) == ["duplicate", "live"]


def test_a_later_export_that_says_the_same_adds_nothing():
    settled = settle(placed([event("a", digest="x", recorded=1), event("b", digest="x", recorded=2)]))
    assert settled.outcomes == ((Verdict.LIVE, 1, None), (Verdict.DUPLICATE, None, None))


def test_a_state_that_comes_back_is_a_state_again():
    rows = [event("a", digest="x", recorded=1), event("b", digest="y", recorded=2), event("c", digest="x", recorded=3)]
    assert verdicts(rows) == ["superseded", "superseded", "live"]


def test_same_id_same_content_is_a_duplicate_and_the_earlier_recording_counts():
    settled = settle(placed([event("a", digest="x", recorded=9), event("a", digest="x", recorded=2)]))
    assert [outcome.verdict.value for outcome in settled.outcomes] == ["duplicate", "live"]


def test_same_id_different_content_is_set_aside():
    assert verdicts([event("a", digest="x"), event("a", digest="y", at=9)]) == ["conflict", "conflict"]


def test_correction_takes_the_place_of_its_target():
    settled = settle(placed([event("a", at=1), event("b", at=5), event("c", kind="corrected", replaces="a", at=2)]))
    assert [outcome.verdict.value for outcome in settled.outcomes] == ["superseded", "live", "superseded"]
    assert settled.outcomes[0].valid_from is None
    assert settled.outcomes[2] == (Verdict.SUPERSEDED, 2, 5)


def test_correction_before_its_target_waits_and_then_counts():
    correction = event("c", kind="corrected", replaces="a", recorded=2)
    assert verdicts([correction]) == ["pending"]
    assert verdicts([correction, event("a")]) == ["live", "superseded"]


def test_withdrawal_of_the_only_state_leaves_a_tombstone():
    settled = settle(placed([event("a"), event("w", kind="withdrawn", replaces="a", recorded=2)]))
    assert settled.state == "withdrawn"
    assert [outcome.verdict.value for outcome in settled.outcomes] == ["withdrawn", "withdrawn"]


def test_withdrawal_of_the_newest_state_brings_the_older_one_back():
    rows = [event("a", at=1), event("b", at=5), event("w", kind="withdrawn", replaces="b", recorded=2)]
    assert verdicts(rows) == ["live", "withdrawn", "withdrawn"]


def test_correction_of_a_withdrawal_brings_the_slot_back():
    rows = [
        event("a"),
        event("w", kind="withdrawn", replaces="a", recorded=2),
        event("c", kind="corrected", replaces="w", recorded=3),
    ]
    assert verdicts(rows) == ["superseded", "superseded", "live"]


def test_of_two_corrections_the_one_recorded_last_counts():
    rows = [
        event("a"),
        event("c1", kind="corrected", replaces="a", recorded=2),
        event("c2", kind="corrected", replaces="a", recorded=3),
    ]
    assert verdicts(rows) == ["superseded", "superseded", "live"]


def test_two_corrections_of_one_instant_are_set_aside_with_what_replaces_them():
    rows = [
        event("a"),
        event("c1", kind="corrected", replaces="a", recorded=2),
        event("c2", kind="corrected", replaces="a", recorded=2),
        event("d", kind="corrected", replaces="c1", recorded=5),
    ]
    assert verdicts(rows) == ["live", "conflict", "conflict", "conflict"]


def test_replacement_under_another_key_and_cycles_are_conflicts():
    other = event("c", kind="corrected", replaces="a", target=Target.OTHER_KEY)
    assert verdicts([other]) == ["conflict"]
    assert verdicts([event("s", kind="corrected", replaces="s")]) == ["conflict"]
    circle = [event("x", kind="corrected", replaces="y"), event("y", kind="corrected", replaces="x")]
    assert verdicts(circle) == ["conflict", "conflict"]


def test_a_replacement_of_a_waiting_event_waits():
    rows = [event("c", kind="corrected", replaces="gone"), event("d", kind="corrected", replaces="c")]
    assert verdicts(rows) == ["pending", "pending"]


def outcome_by_content(rows: list[dict]) -> tuple[str, list[tuple]]:
    """What people see: the key's state, and the valid states with their periods, without the arrival order."""
    settled: Settled = settle(placed(rows))
    states = [
        (rows[index]["event_id"], rows[index]["digest"], rows[index]["occurred_at"], rows[index]["recorded_at"], *outcome)
        for index, outcome in enumerate(settled.outcomes)
        if outcome.valid_from is not None
    ]
    return settled.state, sorted(states, key=str)


@given(histories(), st.randoms(use_true_random=False))
def test_arrival_order_never_matters(rows, random):
    rows = [{**row, "digest": content(row)} for row in rows]
    shuffled = rows[:]
    random.shuffle(shuffled)
    assert outcome_by_content(rows) == outcome_by_content(shuffled)


@given(histories())
def test_each_event_gets_one_verdict_and_periods_are_a_chain(rows):
    settled = settle(placed(rows))
    assert len(settled.outcomes) == len(rows)
    live = [outcome for outcome in settled.outcomes if outcome.verdict is Verdict.LIVE]
    assert len(live) == (1 if settled.state == "live" else 0)
    periods = sorted((o for o in settled.outcomes if o.valid_from is not None), key=lambda o: (o.valid_to is None, o.valid_from))
    assert all(o.verdict in (Verdict.LIVE, Verdict.SUPERSEDED) for o in periods)
    ends = sorted(o.valid_to for o in periods if o.valid_to is not None)
    assert ends == sorted(o.valid_from for o in periods)[1:]


@given(histories())
def test_landing_the_same_events_twice_changes_nothing(rows):
    rows = [{**row, "digest": content(row)} for row in rows]
    assert outcome_by_content(rows) == outcome_by_content(rows + rows)


def test_all_orders_of_a_small_history_agree():
    rows = [
        event("a", at=1),
        event("b", at=2),
        event("c", kind="corrected", replaces="a", at=3, recorded=2),
        event("w", kind="withdrawn", replaces="b", recorded=2),
    ]
    assert len({str(outcome_by_content(list(order))) for order in permutations(rows)}) == 1


def test_a_withdrawal_that_names_a_later_copy_withdraws_the_state():
    rows = [
        event("a", digest="x", recorded=1),
        event("b", digest="x", recorded=2),
        event("w", kind="withdrawn", replaces="b", recorded=3),
    ]
    assert verdicts(rows) == ["withdrawn", "duplicate", "withdrawn"]


def test_a_correction_that_names_a_later_copy_corrects_the_state():
    rows = [
        event("a", digest="x", at=5, recorded=1),
        event("b", digest="x", at=5, recorded=2),
        event("c", kind="corrected", replaces="b", at=3, recorded=3),
    ]
    assert verdicts(rows) == ["superseded", "duplicate", "live"]


def test_what_replaces_one_of_two_equal_corrections_counts():
    rows = [
        event("a"),
        event("c1", kind="corrected", replaces="a", digest="x", recorded=2),
        event("c2", kind="corrected", replaces="a", digest="x", recorded=2),
        event("w", kind="withdrawn", replaces="c2", recorded=3),
    ]
    assert sorted(verdicts(rows)) == ["duplicate", "superseded", "withdrawn", "withdrawn"]
    assert settle(placed(rows)).state == "withdrawn"
