"""The one room for SQL connections: an engine per role, errors that say the true cause."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache

from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from commonweal.errors import AccessDeniedError, ConfigError, TransientError
from commonweal.settings import Settings

FULL = "No space left on device"
"""What PostgreSQL says where it can't even start a session; once it has, it gives a SQLSTATE."""


def database_url(settings: Settings, role: str) -> URL:
    """The address of the platform's database for a role, with the role's secret.

    A transaction in which nothing happens for longer than a lease lasts is ended by the database: its program stands still, or
    its machine is gone, and its locks, that of the evidence's chain among them, would hold up every other dataset.
    """
    idle = f"-c idle_in_transaction_session_timeout={settings.lease_seconds}s"
    return URL.create(
        "postgresql+psycopg",
        username=role,
        password=settings.secret(f"postgres-{role}"),
        host=settings.database_host,
        port=settings.database_port,
        database=settings.database_name,
        query={"connect_timeout": "10", "application_name": f"commonweal-{role}", "options": idle},
    )


@lru_cache(maxsize=16)
def engine(settings: Settings, role: str) -> Engine:
    """The engine of a role; one per process. Connections are tested before use, so a restarted server is no error."""
    return create_engine(database_url(settings, role), pool_pre_ping=True, pool_size=4, hide_parameters=True)


@contextmanager
def database_errors(what: str) -> Iterator[None]:
    """Turn the driver's errors into the platform's, by their true cause.

    Args:
        what: What was being done, for the message: ``"releasing hotline.service_request"``.

    Raises:
        ConfigError: The password or the database's name is wrong.
        AccessDeniedError: The role lacks a right.
        TransientError: PostgreSQL is unreachable, or ended the connection.
    """
    try:
        yield
    except DBAPIError as error:
        raise translated(error, what) from None


def translated(error: DBAPIError, what: str) -> ConfigError | AccessDeniedError | TransientError:
    """The platform's error for a driver's error; parameters are never part of the message."""
    state = getattr(error.orig, "sqlstate", None)
    text = str(error.orig).splitlines()[0] if error.orig else ""
    if state in ("28P01", "28000", "3D000") or "authentication failed" in text:
        return ConfigError(f"{what}: PostgreSQL refused the login; check the role's secret file and the database's name")
    if state == "42501":
        return AccessDeniedError(f"{what}: the database role lacks a right; run: commonweal apply")
    if state == "53100" or FULL in str(error.orig):
        return TransientError(f"{what}: PostgreSQL's disk is full; nothing is lost, make room, then it goes on by itself")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return TransientError(f"{what}: PostgreSQL is unreachable or ended the connection; see: commonweal stack status")
    return ConfigError(f"{what}: PostgreSQL refused the statement (SQLSTATE {state}); run: commonweal apply")


def database_now(source: Engine) -> datetime:
    """The database's clock: the one by which leases end and retention is counted."""
    with database_errors("reading the database's clock"), source.begin() as connection:
        found: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
    return found


def this_day(source: Engine) -> date:
    """The day by which declared periods are closed: that of UTC, so that in China it has begun some hours before.

    By the database's clock: a machine that is ahead would publish a month that is not over.
    """
    return database_now(source).astimezone(UTC).date()
