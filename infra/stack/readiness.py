"""When is a service ready? When it answers by its own protocol; when it dies first, its log says why."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from commonweal.errors import CommonwealError, ConfigError, TransientError
from infra.stack import supervision
from infra.stack.layout import Layout
from infra.stack.profiles import CLUSTER
from infra.stack.services import airflow, kafka, minio, postgres, registry, spark, streams

PROBES: Mapping[str, Callable[[Layout], bool]] = {
    "postgres": postgres.is_ready,
    "minio": minio.is_ready,
    **{name: partial(kafka.is_ready, number=number) for number, name in enumerate(CLUSTER.kafka, 1)},
    "spark": spark.is_ready,
    "airflow-api-server": airflow.is_api_ready,
    "airflow-scheduler": airflow.is_scheduler_ready,
    "airflow-dag-processor": airflow.is_dag_processor_ready,
    "watch": streams.is_watch_ready,
}
LOG_LINES = 20
MAX_STARTS = 3
PATIENCE_SECONDS = 240
"""Roof for one service on a busy machine; a service that dies is noticed at once."""


def await_ready(layout: Layout, service: str, cancelled: threading.Event) -> None:
    """Wait until a service is ready.

    Raises:
        ConfigError: It ended again and again; the message ends with the last lines of its log.
        TransientError: It lives but is not ready in time, or another service failed.
    """
    probe, pids = PROBES.get(service, _runs(service)), set[int]()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        state = supervision.states(layout.run_dir).get(service)
        if state is None or cancelled.is_set():
            raise TransientError(f"{service}: the start was ended before it was ready; run: commonweal stack up")
        pids |= {state.pid} - {0}
        if state.state == "FATAL" or len(pids) > MAX_STARTS:
            raise died(layout, service)
        # Before, the supervisor still takes an end of it for a failed start.
        if state.state == "RUNNING" and probe(layout):
            return
        time.sleep(0.1)
    raise TransientError(f"{service} is not ready after {PATIENCE_SECONDS} s; last lines:\n{tail(layout, service)}")


def await_end(layout: Layout, service: str, cancelled: threading.Event) -> None:
    """Wait until a service that runs once has ended well.

    Raises:
        ConfigError: It ended with another exit code than 0.
        TransientError: It does not end, or another service failed.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and not cancelled.is_set():
        state = supervision.states(layout.run_dir).get(service)
        if state and state.state in ("EXITED", "FATAL"):
            if state.exit_code:
                raise died(layout, service)
            return
        time.sleep(0.1)
    raise TransientError(f"{service} does not end; last lines:\n{tail(layout, service)}")


def died(layout: Layout, service: str) -> CommonwealError:
    """The error for a service that does not stay up, with what its log says last; retryable if its own exit code is."""
    ending = _ending(layout, service)
    kind = TransientError if ending == f"exit status {TransientError.exit_code}" else ConfigError
    log = log_path(layout, service)
    return kind(f"{service} does not stay up ({ending}); last lines of {log}:\n{tail(layout, service)}")


def _ending(layout: Layout, service: str) -> str:
    """How a service ended last: its state forgets that when the supervisor starts it again, the supervisor's log doesn't."""
    text = tail(layout, supervision.SUPERVISOR, lines=1000)
    found = re.findall(rf"exited: {re.escape(service)} \((.*?)(?:;|\))", text)
    return found[-1] if found else "never started"


def log_path(layout: Layout, service: str) -> Path:
    """The log of a service."""
    return layout.logs / f"{service}.log"


def tail(layout: Layout, service: str, lines: int = LOG_LINES) -> str:
    """The last lines of a service's log."""
    path = log_path(layout, service)
    if not path.is_file():
        return "(no log)"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 200 * 1024))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def _runs(service: str) -> Callable[[Layout], bool]:
    """The probe of a service without a protocol of its own: it has stayed up for the supervisor's settling time."""
    if service not in registry.MODULES:
        raise ConfigError(f"no service is called {service}; choose from {', '.join(registry.MODULES)}")

    def probe(layout: Layout) -> bool:
        state = supervision.states(layout.run_dir).get(service)
        return bool(state and state.state == "RUNNING")

    return probe
