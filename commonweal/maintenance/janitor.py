"""The janitor: removes the branches of attempts that lost, and files that nothing points at."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from commonweal.contract.model import Contract
from commonweal.database import database_now
from commonweal.lake.catalog import drop_branch, load
from commonweal.lake.lease import Lease
from commonweal.lake.names import TableId, all_tables
from commonweal.maintenance.turns import in_turn
from commonweal.ports import PROGRAM, Ports
from commonweal.store import client, list_objects

ATTEMPT = re.compile(r"a_(\d+)_[0-9a-f]{12}")
LONGEST_RUN = timedelta(days=3)
"""Nothing that a run still needs and that nothing points at yet is older."""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def janitor(ports: Ports, contracts: Iterable[Contract]) -> dict[str, int]:
    """Remove what attempts that lost have left behind.

    The dataset's lease is taken first: its epoch is then greater than that of every attempt before, so all of them have lost,
    also one whose lease had only run out.
    """
    until = database_now(ports.engine) - LONGEST_RUN
    removed = {"branches": 0, "files": 0}

    def clean_up(contract: Contract, lease: Lease) -> int:
        for table in all_tables([contract]):
            removed["branches"] += drop_lost_branches(ports, table, lease)
            removed["files"] += remove_orphans(ports, table, until)
        return 0

    _, busy = in_turn(ports, contracts, "janitor", clean_up)
    return {**removed, "busy": busy}


def drop_lost_branches(ports: Ports, table: TableId, lease: Lease) -> int:
    """Drop the branches of earlier epochs; returns how many there were."""
    lost = [ref for ref in load(ports.lake, table).metadata.refs if is_lost(ref, lease.epoch)]
    for ref in lost:
        drop_branch(ports.lake, table, ref)
    return len(lost)


def is_lost(ref: str, epoch: int) -> bool:
    """Whether a ref is the branch of an attempt of an earlier epoch.

    >>> is_lost("a_3_0123456789ab", 4), is_lost("a_4_0123456789ab", 4), is_lost("rel_3", 4)
    (True, False, False)
    """
    found = ATTEMPT.fullmatch(ref)
    return found is not None and int(found[1]) < epoch


def remove_orphans(ports: Ports, table: TableId, until: datetime, *, dry_run: bool = False) -> int:
    """Remove files in the table's folder that no metadata points at and that are older; returns how many there were.

    Iceberg compares what metadata points at with a list of ours: making its own takes Hadoop's S3 client, which isn't installed,
    and the list must never take in a neighbour's folder whose name begins like this one's.
    """
    bucket, _, folder = load(ports.lake, table).location().removeprefix("s3://").rstrip("/").partition("/")
    store = client(ports.settings, PROGRAM)
    # Iceberg looks at the time again, and refuses to look at less than a day; which files are old enough is decided here.
    old = [(f"s3://{bucket}/{key}", LONG_AGO) for key, written in list_objects(store, bucket, f"{folder}/") if written < until]
    if not old:
        return 0
    ports.spark.createDataFrame(old, "file_path string, last_modified timestamp").createOrReplaceTempView("old_files")
    name = ".".join(table.parts)
    call = f"call lake.system.remove_orphan_files(table => '{name}', file_list_view => 'old_files', dry_run => {dry_run})"
    return len(ports.spark.sql(call).collect())
