"""Every setting of the platform, each in this one place, with one line of documentation.

A setting is read from the environment (prefix ``COMMONWEAL_``), then from ``stack.env`` in the run folder, which the local
stack writes and which holds addresses only. Secrets are files of mode 0600 under ``secrets_dir``, never settings.
"""

import os
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from commonweal.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Addresses, folders and bounds; frozen once read."""

    model_config = SettingsConfigDict(env_prefix="COMMONWEAL_", frozen=True, extra="ignore")

    run_dir: Path = Field(default=ROOT / ".run", description="Folder of the local stack: state, secrets, logs.")
    schemas_dir: Path = Field(default=ROOT / "schemas", description="Folder of the contracts.")
    secrets_dir: Path = Field(default=ROOT / ".run" / "secrets", description="Folder of the secret files, mode 0700.")
    keys_dir: Path = Field(default=ROOT / ".run" / "keys", description="Folder of the pseudonym and sealing keys, mode 0700.")
    kafka_bootstrap: str = Field(default="", description="Kafka bootstrap servers, host:port, comma-separated.")
    kafka_ca: Path = Field(
        default=ROOT / ".run" / "tls" / "ca.pem", description="PEM file of the CA that signed Kafka's certificate."
    )
    database_host: str = Field(default="127.0.0.1", description="Host of PostgreSQL.")
    database_port: int = Field(default=5432, description="Port of PostgreSQL.")
    database_name: str = Field(default="commonweal", description="Database of catalog, offsets, leases, releases and evidence.")
    s3_endpoint: str = Field(default="", description="URL of the object store.")
    s3_region: str = Field(default="us-east-1", description="Region that the object store's signatures name.")
    bucket_landing: str = Field(default="landing", description="Bucket of the landing tables.")
    bucket_lakehouse: str = Field(default="lakehouse", description="Bucket of the released tables.")
    bucket_reports: str = Field(default="reports", description="Bucket of the gate's reports.")
    spark_remote: str = Field(default="", description="Address of the Spark Connect server, sc://host:port, without its token.")
    airflow_url: str = Field(default="", description="URL of Airflow's API server.")
    lease_seconds: int = Field(
        default=60,
        ge=5,
        description="Seconds after which a lease not renewed is free, and a transaction that stands still ended.",
    )
    watch_seconds: float = Field(default=1.0, gt=0, description="Seconds between two looks of watch at the end offsets.")
    sweep_seconds: float = Field(default=30.0, gt=0, description="Seconds between two sweeps for work that a hint missed.")
    backup_endpoint: str = Field(default="", description="URL of the object store that backups to s3:// go to.")
    backup_region: str = Field(default="us-east-1", description="Region that its signatures name.")
    backup_user: str = Field(default="", description="Access key id of the login there.")
    backup_secret_file: Path = Field(
        default=ROOT / ".run" / "secrets" / "backup-s3", description="File with its secret key, mode 0600."
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address on which watch serves /metrics and /healthz.")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="Port of these pages; 0: they are not served.")

    def secret(self, name: str) -> str:
        """The secret in the file ``name``.

        Raises:
            ConfigError: The file is missing or others may read it.
        """
        path = self.secrets_dir / name
        if not path.is_file():
            raise ConfigError(f"secret {name} is missing in {self.secrets_dir}; start the stack or place the file there")
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"secret {name} is readable by others; run: chmod 600 {path}")
        return path.read_text().strip()


def load_settings(run_dir: Path | None = None) -> Settings:
    """The settings of this process: environment first, then the run folder's ``stack.env``.

    Args:
        run_dir: The run folder; by default ``COMMONWEAL_RUN_DIR``, else ``.run`` in the checkout.

    Raises:
        ConfigError: A setting has a value that can't be used; the message names the setting, not the value.
    """
    folder = (run_dir or Path(os.environ.get("COMMONWEAL_RUN_DIR", ROOT / ".run"))).resolve()
    defaults = {
        "COMMONWEAL_RUN_DIR": folder,
        "COMMONWEAL_SECRETS_DIR": folder / "secrets",
        "COMMONWEAL_KEYS_DIR": folder / "keys",
        "COMMONWEAL_KAFKA_CA": folder / "tls" / "ca.pem",
    }
    given = {name.removeprefix("COMMONWEAL_").lower(): value for name, value in defaults.items() if name not in os.environ}
    try:
        return Settings(_env_file=_readable(folder / "stack.env"), **given)  # type: ignore[call-arg, arg-type]
    except ValidationError as error:
        names = ", ".join(f"COMMONWEAL_{str(item['loc'][0]).upper()} ({item['type']})" for item in error.errors())
        raise ConfigError(f"settings that can't be used: {names}; see docs/settings.md") from None


def _readable(path: Path) -> Path | None:
    return path if path.is_file() else None
