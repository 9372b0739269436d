"""The platform's steps as rows call, repeat and time them."""

import json
from collections import defaultdict
from contextlib import closing
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import text

from benchmarks.exports import commonweal
from benchmarks.measure import Measured, measure
from benchmarks.servers import environment, pids, scratch
from commonweal.apply.postgres import OWNER
from commonweal.database import engine
from commonweal.ports import Ports, open_ports

FORGET = {
    "gate": text("""
delete from gate_result g where g.dataset = :dataset and not exists (select 1 from release r where r.gate_id = g.id)
"""),
    "join": text("delete from candidate where dataset = :dataset"),
}
"""By step, how what it finds itself done by goes: a verdict by which nothing was released, and what a product was made of."""
STEPS = text("""
select step, extract(epoch from finished_at - started_at) as seconds from attempt
where dataset = :dataset and outcome = 'done' and started_at >= :began order by started_at
""")


def carry_out(ports: Ports, step: str, dataset: str) -> Measured:
    """Measure a step of the platform, called as a person calls it.

    Raises:
        RuntimeError: It ended with an error, or had nothing to do.
    """
    clear_cache(ports)
    run_dir, log = ports.settings.run_dir, scratch(ports.settings) / f"{step}.log"
    argv = commonweal("run", step, dataset, "--json")
    found = measure(argv, environment(run_dir), log, servers=pids(run_dir))
    if said(log)["outcome"] != "done":
        raise RuntimeError(f"{step} of {dataset} had nothing to do")
    return found


def forget(ports: Ports, step: str, dataset: str) -> None:
    """Take away what the last ``gate`` or ``join`` concluded, so that the next one works as if it were the first.

    As the owner of the database: no program of the platform may.
    """
    with engine(ports.settings, OWNER).begin() as connection:
        connection.execute(FORGET[step], {"dataset": dataset})


def clear_cache(ports: Ports) -> None:
    """Have Spark let go of rows that it keeps for all sessions: by default Great Expectations has it keep what is audited."""
    with closing(open_ports(ports.settings)) as own:
        own.spark.catalog.clearCache()


def said(log: Path) -> dict[str, Any]:
    """What a program said last as a line of JSON."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    found: dict[str, Any] = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
    return found


def lengths(ports: Ports, dataset: str, began: datetime) -> dict[str, float]:
    """By step, the median length of those that had something to do, in seconds.

    Args:
        ports: The world.
        dataset: Whose steps.
        began: Those that began since, by the database's clock.
    """
    found = defaultdict(list)
    with ports.engine.begin() as connection:
        for row in connection.execute(STEPS, {"dataset": dataset, "began": began}):
            found[row.step].append(float(row.seconds))
    return {step: median(seconds) for step, seconds in found.items()}
