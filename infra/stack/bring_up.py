"""Bring a stack up: every service started as early as what it needs allows, and awaited by its own protocol."""

import datetime
import fcntl
import importlib
import importlib.util
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from commonweal.contract.loader import load_datasets
from commonweal.errors import CommonwealError, ConfigError, ContractError
from commonweal.identity import ensure_keys
from commonweal.settings import Settings, load_settings
from infra import install
from infra.stack import processes, readiness, supervision
from infra.stack.board import Board
from infra.stack.certificates import ensure_certificates
from infra.stack.layout import APPLIED, Layout
from infra.stack.ports import choose_ports, still_taken
from infra.stack.profiles import Profile, choose_profile, keep_profile, kept_profile
from infra.stack.secret_files import ensure_secrets, private_folder
from infra.stack.services import airflow, postgres, registry

STEPS: Mapping[str, tuple[str, ...]] = {
    "postgres": (),
    "minio": (),
    "kafka": (),
    "databases": ("postgres",),
    "apply": ("databases", "minio", "kafka"),
    "spark": ("apply",),
    "airflow-setup": ("databases",),
    "airflow-api-server": ("airflow-setup",),
    "airflow-scheduler": ("airflow-setup",),
    "airflow-dag-processor": ("airflow-setup",),
    "watch": ("apply", "airflow-api-server"),
    "announce": ("apply",),
}
"""Each step of a local stack with those that must have ended before it."""
STORES = ("postgres", "minio", "kafka", "databases")
"""The steps that bring up what keeps data, and nothing that works on it."""
LAKEHOUSE = (*STORES, "apply", "spark")
"""Those and Spark, with every contract applied, and nothing that starts runs by itself."""
RESTORING = "restoring"
"""A file in the run folder while it holds a part of a backup only."""
EARLY = ("spark",)
"""Services whose process needs nothing to start: only their first query waits."""


@dataclass
class Start:
    """One start of a stack.

    Attributes:
        layout: The stack.
        board: Where progress is shown.
        fresh: Whether something did not run, so that everything is brought in line with the contracts again.
        cancelled: Set when a step failed: the others end.
        futures: The running steps by name.
    """

    layout: Layout
    board: Board
    fresh: bool
    cancelled: threading.Event = field(default_factory=threading.Event)
    futures: dict[str, Future[None]] = field(default_factory=dict)


def bring_up(run_dir: Path, wanted_ports: Mapping[str, int], board: Board, profile: str | None = None) -> Settings:
    """Start what does not run, and wait until everything is ready.

    Args:
        run_dir: The run folder.
        wanted_ports: Ports by name; the others are free ones.
        board: Where progress is shown.
        profile: Name of what the stack is made of; by default what it was made of before, else the local one.

    Returns:
        The settings that reach this stack.

    Raises:
        ConfigError: The folder holds a stack of another profile, a port is taken by another program, or a service does not
            stay up; the message says why.
        TransientError: A service is not ready in time.
    """
    for artefact in (install.minio, install.broker_jars, install.spark_jars):
        artefact()  # built before anything is on the screen
    refuse_half_restored(run_dir)
    layout = prepare(run_dir, wanted_ports, profile)
    refuse_foreign_addresses(layout)
    with alone(layout.run_dir):
        start = Start(layout, board, fresh=not is_up(layout.run_dir))
        if supervision.is_running(layout.run_dir):
            supervision.refresh(layout)
        else:
            _start_supervisor(layout)
        with board:
            _run_steps(start, steps_of(layout.profile))
    return load_settings(layout.run_dir)


def bring_up_only(steps: Iterable[str], run_dir: Path, board: Board) -> Settings:
    """Start a part of a stack: ``STORES``, for a restore, or the ``LAKEHOUSE``.

    Returns, Raises: As ``bring_up``.
    """
    names = set(steps)
    for artefact in (install.minio, install.broker_jars, *([install.spark_jars] if "spark" in names else [])):
        artefact()
    layout = prepare(run_dir, {})
    names |= {*(layout.profile.kafka if "kafka" in names else ()), *(layout.profile.spark if "spark" in names else ())}
    wanted = {name: after for name, after in steps_of(layout.profile).items() if name in names}
    refuse_foreign_addresses(layout)
    with alone(layout.run_dir):
        start = Start(layout, board, fresh=True)
        _start_supervisor(layout)
        with board:
            _run_steps(start, wanted)
    return load_settings(layout.run_dir)


def refuse_half_restored(run_dir: Path) -> None:
    """A restore that died leaves a part of the truth; a platform that started on it would take it for all.

    Raises:
        ConfigError: A restore into this folder did not end.
    """
    if (run_dir / RESTORING).exists():
        raise ConfigError(f"{run_dir} holds a part of a backup only; run: commonweal stack reset, then commonweal restore again")


def prepare(run_dir: Path, wanted_ports: Mapping[str, int], profile: str | None = None) -> Layout:
    """Make everything that is only files: folders, secrets, certificates, ports, addresses; what is there stays."""
    run_dir = run_dir.resolve()
    run_dir.mkdir(parents=True, exist_ok=True)
    run_dir.chmod(0o711)  # PostgreSQL's user passes through; nobody else can list it
    chosen = choose_profile(run_dir, profile)
    ports = choose_ports(run_dir / "ports.json", wanted_ports, chosen)
    keep_profile(run_dir, chosen)
    layout = Layout(run_dir, ports)
    for folder in (layout.logs, layout.config, run_dir / "reports", layout.data("")):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (layout.private, run_dir / "keys"):
        private_folder(folder)
    ensure_keys(run_dir / "keys")
    ensure_secrets(run_dir, departments(load_settings(run_dir).schemas_dir))
    ensure_certificates(layout.tls, datetime.datetime.now(datetime.UTC))
    (run_dir / "stack.env").write_text("".join(f"{name}={value}\n" for name, value in layout.addresses().items()))
    return layout


def steps_of(profile: Profile) -> dict[str, tuple[str, ...]]:
    """The steps of a stack of that profile, each with those that must have ended before it, which come first."""
    brokers, masters, workers = profile.kafka[1:], profile.spark[:1], profile.spark[1:]
    more = {"apply": brokers, "spark": workers}
    first = dict.fromkeys((*brokers, *masters), ()) | dict.fromkeys(workers, masters)
    return first | {name: (*after, *more.get(name, ())) for name, after in STEPS.items()}


def is_up(run_dir: Path) -> bool:
    """Whether every service of this checkout runs."""
    states = supervision.states(run_dir)
    wanted = [name for name in registry.services(kept_profile(run_dir)) if name not in registry.ONCE]
    return all(name in states and states[name].state == "RUNNING" for name in wanted)


def departments(schemas: Path) -> list[str]:
    """The departments' ids: the id is the folder."""
    return sorted(path.name for path in schemas.iterdir() if path.is_dir() and not path.name.startswith(("_", ".")))


def apply_contracts(settings: Settings) -> None:
    """Bring topics, accounts, buckets and tables in line with the contracts."""
    if importlib.util.find_spec("commonweal.apply"):
        importlib.import_module("commonweal.apply").apply(settings)


def refuse_foreign_addresses(layout: Layout) -> None:
    """The environment comes before ``stack.env``: with an address of another system in it, apply would change that system."""
    foreign = sorted(name for name, value in layout.addresses().items() if os.environ.get(name, value) != value)
    if foreign:
        raise ConfigError(f"the environment points elsewhere than this stack: {', '.join(foreign)}; unset these and try again")


def _start_supervisor(layout: Layout) -> None:
    processes.end(processes.leftovers(layout.run_dir, [supervision.SUPERVISOR, *registry.MODULES]))
    if foreign := still_taken(layout.ports):
        named = ", ".join(f"{name}={port}" for name, port in sorted(foreign.items()))
        raise ConfigError(f"ports taken by another program: {named}; end it, or choose others with --port SERVICE=PORT")
    supervision.start(layout)


def _run_steps(start: Start, wanted: Mapping[str, tuple[str, ...]]) -> None:
    services = registry.services(start.layout.profile)
    steps = {name: after for name, after in wanted.items() if name in services or name not in registry.MODULES}
    for name in (name for name in EARLY if name in steps and not start.layout.profile.workers):
        supervision.start_service(start.layout.run_dir, name)
    with ThreadPoolExecutor(len(steps)) as pool:
        for name, after in steps.items():
            start.futures[name] = pool.submit(_run_step, start, name, [start.futures[other] for other in after])
    failures = [error for future in start.futures.values() if (error := future.exception())]
    # The first cause, not the steps that were cancelled because of it.
    for error in sorted(failures, key=lambda error: isinstance(error, _CancelledError)):
        raise error


def _run_step(start: Start, name: str, needed: list[Future[None]]) -> None:
    if any(future.exception() for future in needed) or start.cancelled.is_set():
        raise _CancelledError
    start.board.starts(name)
    word = "failed"
    try:
        _action(name)(start)
        word = "ready"
    finally:
        start.board.ends(name, "stopped" if word == "failed" and start.cancelled.is_set() else word)
        if word == "failed":
            start.cancelled.set()


def _action(name: str) -> Callable[[Start], None]:
    special = {"databases": _databases, "apply": _apply, "airflow-setup": _set_up_airflow}
    return special.get(name) or (lambda start: _serve(start, name))


def _serve(start: Start, name: str) -> None:
    supervision.start_service(start.layout.run_dir, name)
    readiness.await_ready(start.layout, name, start.cancelled)


def _databases(start: Start) -> None:
    postgres.create_databases(start.layout)


def _apply(start: Start) -> None:
    """Bring all in line; a stack that was in line before comes up with a broken contract too, and nothing is taken from it."""
    settings, mark = load_settings(start.layout.run_dir), start.layout.run_dir / APPLIED
    if not start.fresh:
        return
    try:
        apply_contracts(settings)
    except ContractError as error:
        if not mark.exists() or not load_datasets(settings.schemas_dir).broken:
            raise
        start.board.console.print(f"nothing was applied: {error}", style="yellow", markup=False)
    else:
        mark.touch()


def _set_up_airflow(start: Start) -> None:
    if airflow.is_set_up(start.layout):
        return
    supervision.start_service(start.layout.run_dir, "airflow-setup")
    readiness.await_end(start.layout, "airflow-setup", start.cancelled)


@contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    """One start or stop of a stack at a time: a second one waits for the first."""
    with (run_dir / "stack.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _CancelledError(CommonwealError):
    """A step that did not run since another failed; never shown."""
