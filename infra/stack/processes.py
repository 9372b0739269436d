"""Processes of a stack by id: a record of pid and start time each, so that none is ever ended by name."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import psutil

MARK = "COMMONWEAL_STACK_UNIT"
"""Environment variable of every service, inherited by all it starts: its value is the run folder and the service."""
GRACE_SECONDS = 5


def unit(run_dir: Path, service: str) -> str:
    """The value of ``MARK`` for one service of one stack."""
    return f"{run_dir}#{service}"


def record(run_dir: Path, service: str, pid: int) -> None:
    """Write down a process: pids come back, a pid with its start time doesn't."""
    folder = run_dir / "pids"
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f".{service}.{pid}"
    staged.write_text(json.dumps({"pid": pid, "started": psutil.Process(pid).create_time()}))
    staged.replace(folder / f"{service}.json")


def recorded(run_dir: Path, service: str) -> psutil.Process | None:
    """The process that was written down for a service, if that very one still lives."""
    path = run_dir / "pids" / f"{service}.json"
    if not path.is_file():
        return None
    known = json.loads(path.read_text())
    try:
        process = psutil.Process(known["pid"])
        return process if abs(process.create_time() - known["started"]) < 0.05 and _is_alive(process) else None
    except psutil.NoSuchProcess:
        return None


def leftovers(run_dir: Path, services: Iterable[str]) -> list[psutil.Process]:
    """Processes of these services that still live, with what they started; never the caller."""
    names = list(services)
    marks = {f"{MARK}={unit(run_dir, name)}".encode() for name in names}
    found = {process.pid: process for process in psutil.process_iter() if _marks(process.pid) & marks}
    for process in filter(None, (recorded(run_dir, name) for name in names)):
        found |= {member.pid: member for member in [process, *process.children(recursive=True)]}
    found.pop(os.getpid(), None)
    return [process for process in found.values() if _is_alive(process)]


def end(processes: Iterable[psutil.Process], grace: float = GRACE_SECONDS) -> int:
    """End processes by id, politely first; returns how many there were."""
    targets = list(processes)
    for process in targets:
        _send(process, "terminate")
    _, stubborn = psutil.wait_procs(targets, timeout=grace)
    for process in stubborn:
        _send(process, "kill")
    psutil.wait_procs(stubborn, timeout=grace)
    return len(targets)


def _send(process: psutil.Process, verb: str) -> None:
    try:
        getattr(process, verb)()
    except psutil.NoSuchProcess:
        return


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _marks(pid: int) -> set[bytes]:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return set()
    return {item for item in environment.split(b"\0") if item.startswith(MARK.encode())}
