"""The run folder of one stack: where its files are, and which addresses it has."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from commonweal.settings import ROOT
from infra.stack.profiles import Profile, kept_profile

REGION = "us-east-1"
APPLIED = "applied"
"""Mark in the run folder: every contract was applied once."""
INHERITED = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "XDG_CACHE_HOME")


@dataclass(frozen=True)
class Layout:
    """Folders and ports of one stack.

    Attributes:
        run_dir: The run folder, absolute.
        ports: Port per name of its profile; empty until they are chosen.
    """

    run_dir: Path
    ports: Mapping[str, int]

    @property
    def profile(self) -> Profile:
        """What the stack is made of."""
        return kept_profile(self.run_dir)

    @property
    def secrets(self) -> Path:
        """Secret files, one value each."""
        return self.run_dir / "secrets"

    @property
    def private(self) -> Path:
        """Files derived from secrets (JAAS, pgpass, credentials): 0600 in a 0700 folder."""
        return self.run_dir / "private"

    @property
    def tls(self) -> Path:
        """Certificates; ``ca.pem`` is public, the keys are not."""
        return self.run_dir / "tls"

    @property
    def logs(self) -> Path:
        """One log per service."""
        return self.run_dir / "logs"

    @property
    def config(self) -> Path:
        """Generated configuration without secrets."""
        return self.run_dir / "config"

    def data(self, service: str) -> Path:
        """What a service keeps."""
        return self.run_dir / "data" / service

    def secret(self, name: str) -> str:
        """The value of a secret file."""
        return (self.secrets / name).read_text().strip()

    def addresses(self) -> dict[str, str]:
        """The settings that say where this stack's services are."""
        return {
            "COMMONWEAL_KAFKA_BOOTSTRAP": ",".join(f"127.0.0.1:{self.ports[name]}" for name in self.profile.kafka),
            "COMMONWEAL_DATABASE_HOST": "127.0.0.1",
            "COMMONWEAL_DATABASE_PORT": str(self.ports["postgres"]),
            "COMMONWEAL_DATABASE_NAME": "commonweal",
            "COMMONWEAL_S3_ENDPOINT": f"http://127.0.0.1:{self.ports['minio']}",
            "COMMONWEAL_S3_REGION": REGION,
            "COMMONWEAL_SPARK_REMOTE": f"sc://localhost:{self.ports['spark']}",
            "COMMONWEAL_AIRFLOW_URL": f"http://127.0.0.1:{self.ports['airflow']}",
            "COMMONWEAL_METRICS_PORT": str(self.ports["metrics"]),
        }

    def environment(self) -> dict[str, str]:
        """A clean environment for a service: the caller's settings, this stack's addresses, nothing else of the caller's."""
        kept = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith("COMMONWEAL_")}
        folders = {
            "COMMONWEAL_RUN_DIR": str(self.run_dir),
            "COMMONWEAL_SECRETS_DIR": str(self.secrets),
            "COMMONWEAL_KEYS_DIR": str(self.run_dir / "keys"),
            "COMMONWEAL_KAFKA_CA": str(self.tls / "ca.pem"),
        }
        python = {
            "XDG_RUNTIME_DIR": str(self.private),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
            "PATH": _path(),
        }
        return {**kept, **folders, **self.addresses(), **python}


def _path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
