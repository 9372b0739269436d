"""The state of a stack as rows: what runs, since when, with how much memory, where; and whether it has room to write."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.stack import processes, supervision
from infra.stack.ports import kept_ports
from infra.stack.profiles import kept_profile
from infra.stack.services import registry

MEBIBYTE = 1024 * 1024
ROOM = 256 * MEBIBYTE
"""With less, services begin to refuse writes, and Kafka stops."""


@dataclass(frozen=True)
class Row:
    """One service.

    Attributes:
        service: Its name.
        state: The supervisor's word in small letters, ``down`` without a supervisor.
        pid: Its first process, or None.
        uptime_seconds: Seconds since its last start, or None.
        memory_mib: Resident memory of all its processes; memory that several share is counted once.
        port: Where it listens on loopback, or None.
    """

    service: str
    state: str
    pid: int | None
    uptime_seconds: int | None
    memory_mib: int
    port: int | None


def rows(run_dir: Path) -> list[Row]:
    """One row per service, the supervisor last."""
    states, ports = supervision.states(run_dir), kept_ports(run_dir / "ports.json")
    names = [name for name in registry.services(kept_profile(run_dir)) if name not in registry.ONCE]
    return [*(_row(name, states.get(name), ports) for name in names), _supervisor(run_dir)]


def shortage(run_dir: Path) -> str:
    """What is wrong and what to do when the disk that the services write to is full; empty while it has room."""
    data = run_dir / "data"
    if not data.is_dir() or (free := shutil.disk_usage(data).free) >= ROOM:
        return ""
    return (
        f"The disk is full: {free // MEBIBYTE} MiB free in {data}. Services that can't write stop and are started again; "
        "nothing is lost: make room, then all goes on by itself."
    )


def _row(name: str, state: supervision.State | None, ports: dict[str, int]) -> Row:
    port = ports.get(registry.PORTS.get(name, ""))
    if state is None or not state.pid:
        return Row(name, state.state.lower() if state else "down", None, None, 0, port)
    return Row(name, state.state.lower(), state.pid, int(time.time() - state.started), memory(state.pid), port)


def _supervisor(run_dir: Path) -> Row:
    process = processes.recorded(run_dir, supervision.SUPERVISOR)
    if process is None:
        return Row(supervision.SUPERVISOR, "down", None, None, 0, None)
    age = int(time.time() - process.create_time())
    return Row(supervision.SUPERVISOR, "running", process.pid, age, _proportional(process), None)


def memory(pid: int) -> int:
    """Mebibytes of a process and of all it started."""
    try:
        process = psutil.Process(pid)
        return sum(map(_proportional, [process, *process.children(recursive=True)]))
    except psutil.NoSuchProcess:
        return 0


def _proportional(process: psutil.Process) -> int:
    """Resident memory with shared pages divided among those that share them; plain resident memory if that is hidden."""
    try:
        return int(process.memory_full_info().pss // MEBIBYTE)
    except psutil.AccessDenied:
        return int(process.memory_info().rss // MEBIBYTE)
    except psutil.NoSuchProcess:
        return 0
