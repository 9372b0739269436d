"""Whoever writes tables must agree with the others on the time.

Iceberg writes the machine's time into a table's metadata, and Spark reads none that is more than a minute older than what it
follows: where a machine that is an hour ahead has written, Spark could work on that table again an hour later.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from commonweal.database import database_now
from commonweal.errors import ConfigError

TOLERANCE = timedelta(seconds=30)
"""Half of what Iceberg takes, since two machines may be off in opposite directions."""


def refuse_other_time(source: Engine, whose: str, clock: Callable[[], datetime]) -> None:
    """Refuse a clock by which no table may be written.

    Args:
        source: The database, whose clock is the right one.
        whose: Whose clock it is, for the message: ``"this machine"``.
        clock: Reads it; may take its time.

    Raises:
        ConfigError: It is further from the database's than the tolerance.
        TransientError: The database is unreachable.
    """
    before = database_now(source)
    shown = clock()
    off = difference(before, shown, database_now(source))
    if abs(off) > TOLERANCE:
        far = timedelta(seconds=round(abs(off).total_seconds()))
        raise ConfigError(
            f"the clock of {whose} is {far} {'ahead of' if off > timedelta(0) else 'behind'} the database's, and Spark could not "
            "read a table that is written by it; nothing changed: set the clocks (NTP)"
        )


def refuse_own_time(source: Engine) -> None:
    """Refuse this machine's clock, from which pyiceberg takes the time that it writes.

    Raises:
        ConfigError, TransientError: As ``refuse_other_time``.
    """
    refuse_other_time(source, "this machine", lambda: datetime.now(UTC))


def difference(before: datetime, shown: datetime, after: datetime) -> timedelta:
    """By how much a clock is off that was read between two looks at the right one; zero if it may be right."""
    return max(shown - after, timedelta(0)) + min(shown - before, timedelta(0))
