"""One real stack for each worker of a run, on free ports, in a folder of its own: never a user's."""

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings

from commonweal.settings import Settings, load_settings
from infra.stack.services.jvm import QUICK

if TYPE_CHECKING:
    from infra.stack.board import Board

PREFIX, OWNER = "commonweal-stack-", "test-run"
ON_A_STACK = ("tests/cases/", "tests/e2e/", "tests/faults/", "tests/integration/")
"""Folders of tests that need servers."""
WHOLE = (
    "tests/e2e/",
    "tests/faults/test_random_faults.py",
    *(
        f"tests/integration/test_{name}.py"
        for name in ("broken_contract", "health_page", "orchestration", "stack", "stack_kills", "watch")
    ),
)
"""Tests that need Airflow and the programs too."""
OWN_STACKS = ("tests/faults/test_cluster.py", "tests/integration/test_lost_everything.py")
"""Tests that bring up stacks of their own."""
IS_WHOLE = pytest.StashKey[Path]()
"""Run folder of the stack while all of it is up."""

# Time is measured by benches, never by tests; under CI Hypothesis has such a profile of its own.
settings.register_profile("untimed", deadline=None)
# For a test that is meant to fail: that it does is enough, the smallest example isn't looked for.
settings.register_profile("unshrunk", deadline=None, phases=(Phase.explicit, Phase.generate))
if "CI" not in os.environ:
    settings.load_profile("untimed")


os.environ.setdefault(QUICK, "1")  # for every stack of this run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests in an order in which two workers have few servers at a time between them.

    First those on the whole stack, of which the rest ends after them; then those that need no server, those that bring up stacks
    of their own, and those that share a lakehouse, of which each worker has one by then; the longest of these, which are
    mutations, before the others.

    Refuses a module that asks for the whole stack and isn't named: others would find it ended.
    """
    asking = {item.nodeid.partition("::")[0] for item in items if "whole_stack" in getattr(item, "fixturenames", ())}
    if strays := sorted(module for module in asking if not module.startswith(WHOLE)):
        raise pytest.UsageError(f"these ask for the whole stack, name them in tests/conftest.py::WHOLE: {', '.join(strays)}")

    def place(item: pytest.Item) -> tuple[bool, ...]:
        name = item.nodeid
        needs_server = name.startswith(ON_A_STACK) or "on_the_stack" in name
        return not name.startswith(WHOLE), needs_server, not name.startswith(OWN_STACKS), "on_the_stack" not in name

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out modules in the order in which they come; all on the whole stack go to one worker."""
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(WHOLE):
                return "the whole stack"
            return "mutations on the stack" if "on_the_stack" in nodeid else nodeid.partition("::")[0]

    config.option.loadscopereorder = False  # else those with the most tests would come first, and they are the short ones
    return ByModule(config, log)


@dataclass(frozen=True)
class RunningStack:
    """The stack of this worker.

    Attributes:
        settings: Addresses and secrets that reach it.
        run_dir: Its run folder.
    """

    settings: Settings
    run_dir: Path


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """A lakehouse that is up: stores with every contract applied, and Spark. Gone after the run.

    Nothing starts a step by itself, unless the test asks for ``whole_stack``.

    With ``COMMONWEAL_TEST_STACK`` set to a run folder, the stack there is used, brought up if it is not, and left running,
    after tests of the whole stack without what only they need: for a quick repeat while one works on a test.
    """
    from infra.stack import supervision
    from infra.stack.bring_up import LAKEHOUSE, bring_up_only
    from infra.stack.services import registry

    given = os.environ.get("COMMONWEAL_TEST_STACK")
    kept = Path(given, os.environ.get("PYTEST_XDIST_WORKER", "")).resolve() if given else None
    if not given:
        _end_orphans()
    with nullcontext(kept) if kept else temporary_run_dir() as run_dir:
        states = supervision.states(run_dir)
        is_there = bool(states) and all(states[name].state == "RUNNING" for name in LAKEHOUSE if name in registry.MODULES)
        yield RunningStack(load_settings(run_dir) if is_there else bring_up_only(LAKEHOUSE, run_dir, board()), run_dir)
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("kafka-io-")]
    assert left == [], "a test left its Kafka client open: it would try on, and log it, after the run"


@pytest.fixture(scope="session")
def whole_stack(stack: RunningStack, request: pytest.FixtureRequest) -> RunningStack:
    """The same with Airflow, watch and announce: what is published is worked on by itself."""
    from infra.stack.bring_up import bring_up

    settings = bring_up(stack.run_dir, {}, board())
    request.config.stash[IS_WHOLE] = stack.run_dir
    return RunningStack(settings, stack.run_dir)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """After the last test that needs them, end Airflow and the programs: they take a part of a core even when idle."""
    run_dir = item.config.stash.get(IS_WHOLE, None)
    if run_dir and not item.nodeid.startswith(WHOLE):
        from infra.stack import supervision
        from infra.stack.bring_up import LAKEHOUSE
        from infra.stack.services import registry

        for service in {*registry.services()} - {*LAKEHOUSE}:
            supervision.stop_service(run_dir, service)
        del item.config.stash[IS_WHOLE]


@contextmanager
def temporary_run_dir() -> Iterator[Path]:
    """A run folder that is gone afterwards, its stack too; the next run ends what is left, if this one is killed.

    Not pytest's own folder: PostgreSQL's user must be able to pass through, and a socket's path must be short.
    """
    from infra.stack import processes
    from infra.stack.take_down import reset

    run_dir = Path(tempfile.mkdtemp(prefix=PREFIX))
    processes.record(run_dir, OWNER, os.getpid())
    try:
        yield run_dir
    finally:
        reset(run_dir)
        shutil.rmtree(run_dir, ignore_errors=True)


def board() -> "Board":
    """Where a start shows its progress: beside pytest's own output."""
    from rich.console import Console

    from infra.stack.board import Board

    return Board(Console(stderr=True))


def _end_orphans() -> None:
    """End stacks whose test run was killed before it could: known by the pid and start time that the run wrote down.

    One worker at a time: both would find the same.
    """
    from infra.stack import processes
    from infra.stack.take_down import reset

    folder = Path(tempfile.gettempdir())
    with (folder / f"{PREFIX}orphans.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in folder.glob(f"{PREFIX}*/pids/{OWNER}.json"):
            run_dir = path.parent.parent
            if processes.recorded(run_dir, OWNER) is None:
                reset(run_dir)
                shutil.rmtree(run_dir, ignore_errors=True)
