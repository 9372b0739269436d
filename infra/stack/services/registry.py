"""The services of the stack, in the order in which they are shown."""

import importlib
import importlib.util
from collections.abc import Callable
from functools import partial

from infra.stack.layout import Layout
from infra.stack.profiles import CLUSTER, LOCAL, Profile
from infra.stack.program import Launch

MODULES = {
    "postgres": "postgres",
    "minio": "minio",
    **dict.fromkeys(CLUSTER.kafka, "kafka"),
    **dict.fromkeys(CLUSTER.spark, "spark_cluster"),
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
    **{name: name for name in CLUSTER.kafka},
    CLUSTER.spark[0]: CLUSTER.spark[0],
    "spark": "spark",
    "airflow-api-server": "airflow",
    "watch": "metrics",
}


def services(profile: Profile = LOCAL) -> list[str]:
    """Every service of a stack of that profile that this checkout can run."""
    elsewhere = {*CLUSTER.kafka, *CLUSTER.spark} - {*profile.kafka, *profile.spark}
    known = [(name, module) for name, module in MODULES.items() if name not in elsewhere]
    return [name for name, module in known if module != "streams" or _exists(f"streams.{name}")]


def launcher(service: str) -> Callable[[Layout], Launch]:
    """The function that prepares a service and says how it becomes a process."""
    module = importlib.import_module(f"infra.stack.services.{MODULES[service]}")
    name, _, number = service.rpartition("-")
    if number.isdigit():
        return partial(getattr(module, _function(name)), number=int(number))
    found: Callable[[Layout], Launch] = getattr(module, _function(service))
    return found


def _function(service: str) -> str:
    return f"launch_{service.replace('-', '_')}"


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
