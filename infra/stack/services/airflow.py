"""Airflow: API server, scheduler and DAG processor, with FAB's accounts, on its own database."""

import hashlib
import hmac
import http.client
import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from commonweal.settings import ROOT
from infra.stack.layout import Layout
from infra.stack.program import Launch

AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
SET_UP = Path("data/airflow/set-up")
ACCOUNTS = {"engineer": "Admin", "auditor": "Viewer", "watch": "Starter"}
"""By account its role in Airflow; its password is the secret ``airflow-<account>``."""


def launch_airflow_setup(layout: Layout) -> Launch:
    """Migrations and accounts, in one process that ends."""
    return Launch((sys.executable, "-m", "infra.stack.airflow_setup"), environment(layout))


def launch_airflow_api_server(layout: Layout) -> Launch:
    """The API server, which also serves the pages."""
    return _airflow(layout, "api-server")


def launch_airflow_scheduler(layout: Layout) -> Launch:
    """The scheduler, whose workers run the tasks.

    Without its log server, which would listen on every interface: the API server reads the same log files.
    """
    return _airflow(layout, "scheduler", "--skip-serve-logs")


def launch_airflow_dag_processor(layout: Layout) -> Launch:
    """The process that reads the DAG files."""
    return _airflow(layout, "dag-processor")


def environment(layout: Layout) -> dict[str, str]:
    """Airflow's settings, secrets among them: they are in no file and in no argument list."""
    url = f"http://127.0.0.1:{layout.ports['airflow']}"
    password, port = layout.secret("postgres-airflow"), layout.ports["postgres"]
    sections = {
        "CORE__AUTH_MANAGER": AUTH_MANAGER,
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__EXECUTOR": "infra.stack.executor.WarmExecutor",
        "CORE__FERNET_KEY": layout.secret("airflow-fernet"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": "4",
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://airflow:{password}@127.0.0.1:{port}/airflow",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(layout.ports["airflow"]),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "WORKERS__EXECUTION_API_TIMEOUT": "30",
        "API__SECRET_KEY": layout.secret("airflow-api"),
        "API_AUTH__JWT_SECRET": layout.secret("airflow-jwt"),
        # Ten looks a second would take a quarter of a core from an idle stack.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "LOGGING__BASE_LOG_FOLDER": str(layout.logs / "airflow-tasks"),
    }
    named = {f"AIRFLOW__{name}": value for name, value in sections.items()}
    return named | {"AIRFLOW_HOME": str(home(layout)), "FORWARDED_ALLOW_IPS": "127.0.0.1"}


def home(layout: Layout) -> Path:
    """Airflow's own folder."""
    return layout.data("airflow")


def is_set_up(layout: Layout) -> bool:
    """Whether database and accounts were made for the installed version and today's passwords."""
    mark = layout.run_dir / SET_UP
    return mark.is_file() and hmac.compare_digest(mark.read_text(), _mark(layout.secret))


def mark_set_up(run_dir: Path, secret: Callable[[str], str]) -> None:
    """Remember for which version and passwords database and accounts are made.

    Args:
        run_dir: The stack's folder.
        secret: Gives a secret by its name.
    """
    (run_dir / SET_UP).parent.mkdir(parents=True, exist_ok=True)
    (run_dir / SET_UP).write_text(_mark(secret))


def _mark(secret: Callable[[str], str]) -> str:
    """The version, and an HMAC of the passwords: it tells that one was changed, and nothing of what it is."""
    passwords = "\n".join(secret(f"airflow-{account}") for account in ACCOUNTS)
    version = importlib.metadata.version("apache-airflow")
    return f"{version} {hmac.new(secret('airflow-jwt').encode(), passwords.encode(), hashlib.sha256).hexdigest()}"


def health(layout: Layout) -> dict[str, Any]:
    """What the API server says of every component; empty while it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", layout.ports["airflow"], timeout=5)
    try:
        connection.request("GET", "/api/v2/monitor/health")
        answer = connection.getresponse()
        return dict(json.loads(answer.read())) if answer.status == 200 else {}
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()


def is_api_ready(layout: Layout) -> bool:
    """Whether the API server answers and reaches the database."""
    return _is_healthy(layout, "metadatabase")


def is_scheduler_ready(layout: Layout) -> bool:
    """Whether the scheduler's heart beats."""
    return _is_healthy(layout, "scheduler")


def is_dag_processor_ready(layout: Layout) -> bool:
    """Whether the DAG processor's heart beats."""
    return _is_healthy(layout, "dag_processor")


def _is_healthy(layout: Layout, component: str) -> bool:
    return bool(health(layout).get(component, {}).get("status") == "healthy")


def _airflow(layout: Layout, *words: str) -> Launch:
    home(layout).mkdir(parents=True, exist_ok=True)
    return Launch((sys.executable, "-m", "airflow", *words), environment(layout))
