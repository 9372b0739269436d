"""What the supervisor runs for each service: end what an earlier one left, prepare, set the environment, become the service.

Secrets are read here, from files, and handed on by environment or by private files: none is in an argument list or in the
supervisor's configuration.
"""

import argparse
import ctypes
import os
import sys
from pathlib import Path

from commonweal.errors import CommonwealError
from infra.stack import processes
from infra.stack.accounts import drop_to
from infra.stack.layout import Layout
from infra.stack.ports import kept_ports
from infra.stack.program import Launch
from infra.stack.services import registry
from infra.stack.supervision import SUPERVISOR

PR_SET_PDEATHSIG = 1
ORPHAN = "the supervisor ended while this service was starting"


def become(launch: Launch, layout: Layout, service: str) -> None:
    """Replace this process by the service; never returns."""
    supervisor = started_by(layout)
    environment = {**layout.environment(), **launch.environment, processes.MARK: processes.unit(layout.run_dir, service)}
    if launch.account:
        drop_to(launch.account, passing=launch.passing)
        environment["HOME"] = "/"
    # After the change of user, since that clears it.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(launch.death_signal), 0, 0, 0)
    if os.getppid() != supervisor:
        raise SystemExit(ORPHAN)
    os.execve(launch.argv[0], list(launch.argv), environment)  # noqa: S606


def started_by(layout: Layout) -> int:
    """The pid of the stack's supervisor, which started this process.

    Raises:
        SystemExit: It has ended meanwhile: nobody would look after the service, and it would hold its port.
    """
    supervisor = processes.recorded(layout.run_dir, SUPERVISOR)
    if supervisor is None or os.getppid() != supervisor.pid:
        raise SystemExit(ORPHAN)
    return int(supervisor.pid)


def main() -> None:
    """Entry point: ``python -m infra.stack.launch SERVICE --run-dir DIR``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("service")
    parser.add_argument("--run-dir", type=Path, required=True)
    given = parser.parse_args()
    layout = Layout(given.run_dir, kept_ports(given.run_dir / "ports.json"))
    started_by(layout)  # before anything is ended: an orphan would end the service that came after it
    processes.end(processes.leftovers(layout.run_dir, [given.service]))
    processes.record(layout.run_dir, given.service, os.getpid())
    os.chdir(layout.run_dir)
    try:
        launch = registry.launcher(given.service)(layout)
    except CommonwealError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    become(launch, layout, given.service)


if __name__ == "__main__":
    main()
