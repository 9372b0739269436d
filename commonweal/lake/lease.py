"""Leases: one row per dataset says who may commit now; a greater epoch fences all smaller ones out."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Engine, text

from commonweal.database import database_errors
from commonweal.errors import CommonwealError, ConflictError, FencedError

log = structlog.get_logger()

TAKE = text("""
insert into lease (dataset, epoch, owner, expires_at)
values (:dataset, 1, :owner, clock_timestamp() + make_interval(secs => :seconds))
on conflict (dataset) do update
set epoch = lease.epoch + 1, owner = excluded.owner, expires_at = excluded.expires_at
where lease.expires_at <= clock_timestamp()
returning epoch
""")
RENEW = text("""
update lease set expires_at = clock_timestamp() + make_interval(secs => :seconds)
where dataset = :dataset and epoch = :epoch
""")
FREE = text("update lease set expires_at = clock_timestamp() where dataset = :dataset and epoch = :epoch")
HELD = text("select epoch from lease where dataset = :dataset for update")


@dataclass(frozen=True)
class Lease:
    """The right to commit to one dataset, until it expires or a greater epoch is taken."""

    dataset: str
    epoch: int
    owner: str


@contextmanager
def held(engine: Engine, dataset: str, owner: str, *, seconds: int) -> Iterator[Lease]:
    """Take the dataset's lease, renew it while the body runs, free it at the end.

    A lease of a run that died is waited for until it expires.

    Args:
        engine: The database, as a role that may lock lease rows.
        dataset: The dataset's id.
        owner: Who takes it, for people to read: run and step.
        seconds: After how long without renewal it is free.

    Raises:
        ConflictError: Another run holds and renews it.
    """
    lease = _take(engine, dataset, owner, seconds)
    stop = threading.Event()
    beat = threading.Thread(target=_renew, args=(engine, lease, seconds, stop), name=f"lease-{dataset}", daemon=True)
    beat.start()
    try:
        yield lease
    finally:
        stop.set()
        beat.join()
        with database_errors(f"freeing the lease of {dataset}"), engine.begin() as connection:
            connection.execute(FREE, {"dataset": dataset, "epoch": lease.epoch})


def lock(connection: Connection, lease: Lease) -> None:
    """Lock the lease's row in the caller's transaction, and check that it is still this lease's epoch.

    Raises:
        FencedError: Another run took the lease since: this attempt must end.
    """
    epoch = connection.execute(HELD, {"dataset": lease.dataset}).scalar_one()
    if epoch != lease.epoch:
        raise FencedError(
            f"{lease.dataset}: the lease of epoch {lease.epoch} is gone, epoch {epoch} has it; nothing changed, this attempt ends"
        )


def _take(engine: Engine, dataset: str, owner: str, seconds: int) -> Lease:
    deadline = time.monotonic() + seconds + 5
    while True:
        with database_errors(f"taking the lease of {dataset}"), engine.begin() as connection:
            epoch = connection.execute(TAKE, {"dataset": dataset, "owner": owner, "seconds": seconds}).scalar()
        if epoch is not None:
            return Lease(dataset, epoch, owner)
        if time.monotonic() > deadline:
            raise ConflictError(f"{dataset}: another run holds the lease and renews it; wait for it to end, then run again")
        time.sleep(0.25)


def _renew(engine: Engine, lease: Lease, seconds: int, stop: threading.Event) -> None:
    """Renew until told to stop; a failure to renew is only a warning, since the commit itself checks the epoch."""
    while not stop.wait(seconds / 4):
        try:
            with database_errors(f"renewing the lease of {lease.dataset}"), engine.begin() as connection:
                connection.execute(RENEW, {"dataset": lease.dataset, "epoch": lease.epoch, "seconds": seconds})
        except CommonwealError as error:
            log.warning("lease_not_renewed", dataset=lease.dataset, epoch=lease.epoch, error=str(error))
