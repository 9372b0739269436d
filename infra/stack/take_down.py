"""Take a stack down in the order of who needs whom, within bounded time; or throw away what it keeps."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from infra.stack import processes, supervision
from infra.stack.bring_up import alone
from infra.stack.profiles import CLUSTER
from infra.stack.services import registry

FIRST = ("watch", "announce", "airflow-setup", "airflow-scheduler", "airflow-dag-processor", "airflow-api-server", "spark")
THEN = tuple(reversed(CLUSTER.spark))  # the workers before their master, else it would wait for them at its next start
LAST = (*CLUSTER.kafka, "minio", "postgres")
STOP_SECONDS = supervision.STOP_SECONDS + 5
KEPT_BY_RESET = ("ports.json",)


def take_down(run_dir: Path) -> int:
    """Stop every service, then the supervisor; what is left after that is ended by its id.

    Returns:
        How many processes did not stop when asked.
    """
    if not run_dir.is_dir():
        return 0
    with alone(run_dir):
        if supervision.is_running(run_dir):
            for group in (FIRST, THEN[:-1], THEN[-1:], LAST):
                _stop(run_dir, group)
            supervision.shut_down(run_dir)
            _await_end(run_dir)
        return processes.end(processes.leftovers(run_dir, [supervision.SUPERVISOR, *registry.MODULES]))


def reset(run_dir: Path) -> None:
    """Take the stack down and delete all it keeps, secrets and keys included; only the choice of ports stays."""
    take_down(run_dir)
    for path in sorted(run_dir.iterdir()) if run_dir.is_dir() else []:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in KEPT_BY_RESET:
            path.unlink()


def _stop(run_dir: Path, services: Sequence[str]) -> None:
    running = [name for name, state in supervision.states(run_dir).items() if state.pid and name in services]
    for name in running:
        supervision.stop_service(run_dir, name)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and any(supervision.states(run_dir)[name].pid for name in running):
        time.sleep(0.1)


def _await_end(run_dir: Path) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and processes.recorded(run_dir, supervision.SUPERVISOR):
        time.sleep(0.1)
