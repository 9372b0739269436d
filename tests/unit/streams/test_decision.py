import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from streams.decision import LONGEST_PAUSE_SECONDS, Sight, decide, pause, run_id

PAUSE = 30.0
names = st.from_regex(r"[a-c]\.[a-c]", fullmatch=True)
sights = st.builds(
    Sight,
    dataset=names,
    reasons=st.lists(st.sampled_from(["new events", "not gated", "inputs released"]), max_size=2, unique=True).map(tuple),
    basis=st.sampled_from(["one", "two"]),
    finished=st.integers(0, 3),
    is_active=st.booleans(),
    is_final=st.booleans(),
    starts=st.integers(0, 50),
    last_active=st.floats(0, 10_000),
)
many = st.lists(sights, max_size=8, unique_by=lambda sight: sight.dataset)
clock = st.floats(0, 20_000)
due = sights.map(lambda sight: dataclasses.replace(sight, reasons=("new events",), is_active=False, is_final=False))


@given(many, clock)
def test_only_what_has_work_and_no_run_and_no_final_error_is_started(seen, now):
    started = {start.dataset for start in decide(seen, now=now, pause_seconds=PAUSE)}
    for sight in seen:
        if not sight.reasons or sight.is_active or sight.is_final:
            assert sight.dataset not in started


@given(many, clock)
def test_a_dataset_is_started_at_most_once_whatever_the_order(seen, now):
    starts = decide(seen, now=now, pause_seconds=PAUSE)
    assert len({start.dataset for start in starts}) == len(starts)
    assert starts == decide(reversed(seen), now=now, pause_seconds=PAUSE)


@given(due)
def test_work_is_always_started_in_the_end(sight):
    later = sight.last_active + LONGEST_PAUSE_SECONDS
    assert [start.dataset for start in decide([sight], now=later, pause_seconds=PAUSE)] == [sight.dataset]


@given(due)
def test_new_work_is_started_at_once(sight):
    fresh = dataclasses.replace(sight, starts=0)
    assert decide([fresh], now=fresh.last_active, pause_seconds=PAUSE) != ()


@given(due, st.integers(1, 50), st.floats(0, 0.99))
def test_what_brought_nothing_is_not_started_again_before_its_pause(sight, starts, share):
    tired = dataclasses.replace(sight, starts=starts)
    now = tired.last_active + share * pause(starts, PAUSE)
    assert decide([tired], now=now, pause_seconds=PAUSE) == ()


@given(sights, sights)
def test_a_run_id_is_the_same_exactly_when_dataset_basis_and_attempts_are(one, other):
    same = (one.dataset, one.basis, one.finished) == (other.dataset, other.basis, other.finished)
    assert (run_id(one) == run_id(other)) is same


@given(due, st.floats(0, 100), st.integers(0, 5))
def test_two_programs_that_see_the_same_choose_the_same_id(sight, clock_of_other, starts_of_other):
    other = dataclasses.replace(sight, starts=starts_of_other, last_active=clock_of_other)
    late = 1_000_000.0
    assert decide([sight], now=late, pause_seconds=PAUSE) == decide([other], now=late, pause_seconds=PAUSE)


@given(due)
def test_a_failed_run_is_not_wedged_by_its_own_id(sight):
    assert run_id(dataclasses.replace(sight, finished=sight.finished + 1)) != run_id(sight)


@given(st.integers(0, 10_000), st.floats(0.1, 5_000))
def test_a_pause_grows_and_is_bounded(starts, seconds):
    assert 0 <= pause(starts, seconds) <= pause(starts + 1, seconds) <= max(LONGEST_PAUSE_SECONDS, seconds)


def test_a_run_id_is_one_that_airflow_takes():
    assert run_id(Sight("office.paper", ("new events",), "one", 0)).startswith("office.paper__")
