"""What the machine has: disk, memory, and a clock that can be right."""

import datetime
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
from cryptography import x509

from commonweal.settings import ROOT
from infra.doctor.finding import Finding
from infra.install.cache import cache_folder
from infra.stack import supervision

GIBIBYTE = 1024**3
DISK_GIBIBYTES = 5
"""Room for the artefacts and a demo: 170 MB of jars, MinIO's build, events, tables, logs."""
MEMORY_GIBIBYTES = 6
"""The idle stack's 2.5 to 3.5 GiB, and some for work."""


def disk(run_dir: Path) -> Iterator[Finding]:
    """Free disk for the stack's data and for the cache."""
    for label, path in (("run folder", run_dir), ("cache", cache_folder())):
        free = shutil.disk_usage(_existing(path)).free / GIBIBYTE
        cure = f"free some: {DISK_GIBIBYTES} GiB are needed" if free < DISK_GIBIBYTES else ""
        yield Finding(f"disk, {label}", f"{free:.1f} GiB free in {path}", cure)


def memory(run_dir: Path) -> Iterator[Finding]:
    """Memory that a stack could have; what a running one has is had already."""
    free, cores = psutil.virtual_memory().available / GIBIBYTE, os.cpu_count()
    short = free < MEMORY_GIBIBYTES and not supervision.is_running(run_dir)
    cure = f"end other programs: a stack wants {MEMORY_GIBIBYTES} GiB" if short else ""
    yield Finding("memory", f"{free:.1f} GiB available, {cores} processors", cure)


def clock(run_dir: Path) -> Iterator[Finding]:
    """Whether the clock can be right: not before this checkout was written, and within the broker's certificate."""
    now = datetime.datetime.now(datetime.UTC)
    written = datetime.datetime.fromtimestamp((ROOT / "pyproject.toml").stat().st_mtime, datetime.UTC)
    cure = "set the clock: it is before the checkout's own files were written" if now < written else ""
    authority = run_dir / "tls" / "ca.pem"
    if authority.is_file() and not cure:
        certificate = x509.load_pem_x509_certificate(authority.read_bytes())
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            cure = "the broker's certificate is not valid now: set the clock, or run: commonweal stack down, commonweal stack up"
    yield Finding("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC", cure)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
