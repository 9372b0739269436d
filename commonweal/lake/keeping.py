"""While a backup copies objects, nothing deletes any: an advisory lock that backups take alone, and deleting tasks share.

Steps go on meanwhile: they only add objects, or delete their own that no catalog ever pointed at.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

from commonweal.database import database_errors
from commonweal.errors import ConflictError

LOCK = 0x6B656570
"""Key of the lock, a session's: it is free as soon as the holder's connection is gone."""

ALONE = text("select pg_try_advisory_lock(:key)")
LEAVE_ALONE = text("select pg_advisory_unlock(:key)")
SHARED = text("select pg_try_advisory_lock_shared(:key)")
LEAVE_SHARED = text("select pg_advisory_unlock_shared(:key)")


@contextmanager
def all_kept(engine: Engine) -> Iterator[None]:
    """No object is deleted while the body runs.

    Raises:
        ConflictError: Another backup or a deleting task is under way, or the lock was lost: copies may be missing.
    """
    with database_errors("holding maintenance off"), engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        if not connection.execute(ALONE, {"key": LOCK}).scalar_one():
            raise ConflictError("another backup or nightly maintenance is under way; wait for it to end, then run again")
        try:
            yield
        finally:
            is_held = connection.execute(LEAVE_ALONE, {"key": LOCK}).scalar_one()
        if not is_held:
            raise ConflictError("the lock that holds maintenance off was lost; this backup is not finished, run it again")


@contextmanager
def deleting(engine: Engine) -> Iterator[None]:
    """The body may delete objects that nothing points at any more.

    Raises:
        ConflictError: A backup is under way; the task is tried again later.
    """
    with database_errors("asking whether a backup is under way"), engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        if not connection.execute(SHARED, {"key": LOCK}).scalar_one():
            raise ConflictError("a backup is under way, so nothing is deleted; run it again when the backup has ended")
        try:
            yield
        finally:
            connection.execute(LEAVE_SHARED, {"key": LOCK})
