"""The long random run, on a stack of its own that Airflow drives: ``make faults``."""

import argparse
import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import SystemRandom

from rich.console import Console

from commonweal.ports import code_version, open_ports
from commonweal.settings import ROOT
from infra.stack.board import Board
from infra.stack.bring_up import bring_up
from infra.stack.take_down import reset
from tests.faults.driver import Airflow
from tests.faults.figures import Machine, page
from tests.faults.ledger import Ledger
from tests.faults.random_run import Outcome, Size, run
from tests.faults.world import LEASE_SECONDS, World, alone

DATASET = "hotline.long_requests"


def main() -> int:
    """Runs, prints what it found, writes the page; exit code 1 if anything was wrong."""
    given = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="commonweal-faults-"))
    folder.chmod(0o711)  # PostgreSQL's user passes through
    os.environ |= {
        "COMMONWEAL_SCHEMAS_DIR": str(alone(ROOT / "schemas", folder / "schemas", "long")),
        "COMMONWEAL_LEASE_SECONDS": str(LEASE_SECONDS),
    }
    print(f"seed {given.seed}: --seed {given.seed} repeats this run", flush=True)
    try:
        outcome = _run(folder / "run", given)
    finally:
        reset(folder / "run")
        shutil.rmtree(folder, ignore_errors=True)
    text = page(outcome, given.faults, Machine(datetime.now(UTC).date(), code_version(ROOT), os.cpu_count() or 1))
    given.page.write_text(text, encoding="utf-8")
    print(text)
    return int(is_wrong(outcome))


def is_wrong(outcome: Outcome) -> bool:
    """Whether anything at all was not as it should be."""
    seen = outcome.seen
    return bool(outcome.differences or seen.ungated or seen.torn or seen.shrunk or outcome.wrong or outcome.evidence_break)


def _run(run_dir: Path, given: argparse.Namespace) -> Outcome:
    settings = bring_up(run_dir, {}, Board(Console(stderr=True)))
    ports = open_ports(settings)
    here = World(ports, ports.contract(DATASET), None, Ledger())
    size = Size(given.events, given.faults, given.pause, given.minutes * 60)
    try:
        return run(here, run_dir, Airflow(here, run_dir), seed=given.seed, size=size, tell=partial(print, flush=True))
    finally:
        ports.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=50, help="after so long no new fault begins")
    parser.add_argument("--pause", type=float, default=30, help="the longest pause between two faults, in seconds")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**9))
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "faults.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
