"""Nightly maintenance over all datasets: compact, audit, expire, janitor. Each is a module with a function of its name.

Whatever changes a dataset happens under its lease, so never beside a run; a dataset that is busy is left for the next night.
Expiry comes after compaction and audit, which look at candidates that are released: it makes another one.
"""

import importlib
from contextlib import nullcontext

import structlog

from commonweal.errors import ConfigError
from commonweal.settings import Settings

log = structlog.get_logger()

TASKS = ("compact", "audit", "expire", "janitor")
DELETING = ("expire", "janitor")
"""Tasks that delete objects; they wait for a backup to end."""


def run(name: str, settings: Settings) -> dict[str, int]:
    """Run one task over all datasets.

    Returns:
        Counts, by what was counted.

    Raises:
        ConfigError: There is no such task.
        ConflictError: A backup is under way, and the task deletes objects.
        GateClosedError: What people read, or what a compaction wrote, does not hold what it must.
        TransientError: Database, store or Spark is unreachable.
    """
    from commonweal.lake.keeping import deleting
    from commonweal.ports import open_ports
    from commonweal.steps.run import outside_errors

    if name not in TASKS:
        raise ConfigError(f"there is no maintenance task {name}; there are: {', '.join(TASKS)}")
    ports = open_ports(settings)
    if ports.broken:
        log.warning("contracts_broken", left_alone=list(ports.broken), see="commonweal contract lint")
    try:
        task = getattr(importlib.import_module(f"{__name__}.{name}"), name)
        with outside_errors(f"maintenance {name}"), deleting(ports.engine) if name in DELETING else nullcontext():
            counts: dict[str, int] = task(ports, tuple(ports.contracts.values()))
        return counts
    finally:
        ports.close()
