"""The stack of a run folder: its secrets, ports and services."""

from collections.abc import Iterator
from pathlib import Path

from infra.doctor.finding import Finding
from infra.stack import status, supervision
from infra.stack.ports import is_free, kept_ports


def secrets(run_dir: Path) -> Iterator[Finding]:
    """Whether only the owner can read secrets and keys."""
    folders = [folder for folder in (run_dir / name for name in ("secrets", "private", "keys")) if folder.is_dir()]
    files = [path for folder in folders for path in folder.rglob("*")]
    open_to_others = sorted(str(path) for path in (*folders, *files) if path.stat().st_mode & 0o077)
    cure = f"chmod go= {' '.join(open_to_others)}" if open_to_others else ""
    if folders:
        yield Finding("secrets", f"{len(files)} files, {len(open_to_others)} readable by others", cure)


def ports(run_dir: Path) -> Iterator[Finding]:
    """Whether the kept ports can be had, while the stack is down."""
    kept = kept_ports(run_dir / "ports.json")
    if not kept or supervision.is_running(run_dir):
        return
    taken = [f"{name}={port}" for name, port in kept.items() if not is_free(port)]
    found = f"taken by another program: {', '.join(taken)}" if taken else f"{len(kept)} kept, all free"
    yield Finding("ports", found, "end that program, or choose: commonweal stack up --port SERVICE=PORT" if taken else "")


def services(run_dir: Path) -> Iterator[Finding]:
    """Whether what should run does run; a stack that is down on purpose is no problem."""
    if not supervision.is_running(run_dir):
        yield Finding("stack", f"down, in {run_dir}")
        return
    for row in status.rows(run_dir):
        ok = row.state == "running"
        where = f", port {row.port}" if row.port else ""
        cure = "" if ok else f"commonweal stack logs {row.service}; commonweal stack up"
        yield Finding(row.service, f"{row.state}, {row.memory_mib} MiB{where}", cure)
