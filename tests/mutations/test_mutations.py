"""Each property of SECURITY.md with its protection removed: the tests that pin it turn red."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.mutations.mutation import Forks, Mutation, Outcome, copied, mutations

ALL = mutations()
ALONE = tuple(mutation for mutation in ALL if not mutation.needs_stack)
ON_THE_STACK = tuple(mutation for mutation in ALL if mutation.needs_stack)
SAMPLE = next(mutation for mutation in ON_THE_STACK if mutation.name == "evidence_apart")
AT_ONCE = 2
"""Processes at a time; more need more memory than two cores are worth."""

Run = Callable[[Mutation], list[Outcome]]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    """What runs tests of copies."""
    with TemporaryDirectory() as folder, closing(Forks(Path(folder))) as started:
        yield started


@pytest.fixture(scope="module")
def run_alone(forks: Forks, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs of mutations that need no server: those that were asked for start together, a few at a time."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.module is request.module]
    asked = [getattr(item, "callspec", None) for item in items]
    wanted = [call.params["mutation"] for call in asked if call and call.params["mutation"] in ALONE]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        started: dict[str, Future[list[Outcome]]] = {
            mutation.name: pool.submit(_run, forks, tmp_path_factory.mktemp(mutation.name), mutation) for mutation in wanted
        }
        yield lambda mutation: started[mutation.name].result()
        pool.shutdown(cancel_futures=True)


def test_there_are_mutations() -> None:
    assert len(ALONE) > 20
    assert ON_THE_STACK


def test_without_a_mutation_the_same_tests_are_green(forks: Forks, tmp_path: Path) -> None:
    assert_green(ALONE, forks.outcomes(copied(tmp_path, None), _tests(ALONE)))


def test_without_a_mutation_a_test_is_green_on_the_stack(stack, forks: Forks, tmp_path: Path) -> None:
    """One of them only: `make test` holds all of them anyway, and what a copy changes is the same for each."""
    assert_green((SAMPLE,), forks.outcomes(copied(tmp_path, None), SAMPLE.tests, stack.run_dir))


@pytest.mark.parametrize("mutation", ALONE, ids=lambda mutation: mutation.name)
def test_turns_its_tests_red(run_alone: Run, mutation: Mutation) -> None:
    assert_red(mutation, run_alone(mutation))


@pytest.mark.parametrize("mutation", ON_THE_STACK, ids=lambda mutation: mutation.name)
def test_turns_its_tests_red_on_the_stack(stack, forks: Forks, tmp_path: Path, mutation: Mutation) -> None:
    assert_red(mutation, forks.outcomes(copied(tmp_path, mutation), mutation.tests, stack.run_dir))


def assert_green(run: tuple[Mutation, ...], found: list[Outcome]) -> None:
    assert [outcome for outcome in found if outcome.kind != "passed"] == []
    assert {outcome.test for outcome in found} == _tests(run)


def assert_red(mutation: Mutation, found: list[Outcome]) -> None:
    """Each named test has a case that failed since what it expects did not hold, and every case could be run."""
    assert [outcome for outcome in found if outcome.is_mistaken] == [], f"{mutation.name} breaks more than the property"
    survived = set(mutation.tests) - {outcome.test for outcome in found if outcome.is_red}
    assert survived == set(), f"{mutation.name}: {mutation.why} These tests stay green"


def _run(forks: Forks, folder: Path, mutation: Mutation) -> list[Outcome]:
    return forks.outcomes(copied(folder, mutation), mutation.tests)


def _tests(run: tuple[Mutation, ...]) -> set[str]:
    return {test for mutation in run for test in mutation.tests}
