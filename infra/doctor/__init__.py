"""What is installed, what is missing, and the cure of each problem. Looks only: nothing is built, started or changed."""

from collections.abc import Callable, Iterator
from pathlib import Path

from infra.doctor.finding import Finding
from infra.doctor.installation import artefacts, certificates, packages, python, versions
from infra.doctor.machine import clock, disk, memory
from infra.doctor.running import ports, secrets, services

CHECKS: tuple[Callable[[Path], Iterator[Finding]], ...] = (
    *(python, packages, artefacts, certificates),
    *(disk, memory, clock),
    *(secrets, ports, services, versions),
)

__all__ = ["CHECKS", "Finding", "examine"]


def examine(run_dir: Path) -> list[Finding]:
    """Every check's findings for the stack of a run folder, in a fixed order."""
    return [finding for check in CHECKS for finding in check(run_dir)]
