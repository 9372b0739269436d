"""The services of the stack, in the order in which they are shown."""

import importlib
import importlib.util
from collections.abc import Callable

from infra.stack.layout import Layout
from infra.stack.program import Launch

MODULES = {
    "postgres": "postgres",
    "minio": "minio",
    "kafka": "kafka",
    "spark": "spark",
    "airflow-setup": "airflow",
    "airflow-api-server": "airflow",
    "airflow-scheduler": "airflow",
    "airflow-dag-processor": "airflow",
    "watch": "streams",
    "announce": "streams",
}
ONCE = ("airflow-setup",)
"""Services that run to their end at a start, and are not restarted."""
PORTS = {
    "postgres": "postgres",
    "minio": "minio",
    "kafka": "kafka",
    "spark": "spark",
    "airflow-api-server": "airflow",
    "watch": "metrics",
}


def services() -> list[str]:
    """Every service that this checkout can run."""
    return [name for name, module in MODULES.items() if module != "streams" or _exists(f"streams.{name}")]


def launcher(service: str) -> Callable[[Layout], Launch]:
    """The function that prepares a service and says how it becomes a process."""
    module = importlib.import_module(f"infra.stack.services.{MODULES[service]}")
    found: Callable[[Layout], Launch] = getattr(module, f"launch_{service.replace('-', '_')}")
    return found


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
