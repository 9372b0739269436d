"""The database's clock is the one that counts, and whoever is too far from it writes no table."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from commonweal import database
from commonweal.database import engine, this_day
from commonweal.errors import ConfigError
from commonweal.lake.clocks import refuse_other_time, refuse_own_time
from commonweal.lake.spark import clock
from commonweal.ports import open_ports

MINUTE = timedelta(minutes=1)
DAY = text("select (clock_timestamp() at time zone 'UTC')::date")


class AYearAhead(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(days=400)


@pytest.fixture
def source(stack):
    return engine(stack.settings, "pipeline")


def day(source):
    with source.begin() as connection:
        return connection.execute(DAY).scalar_one()


def test_periods_are_closed_by_the_databases_day(source, monkeypatch):
    monkeypatch.setattr(database, "datetime", AYearAhead)
    before = day(source)
    assert this_day(source) in {before, day(source)}


def test_the_clocks_of_this_machine_and_of_spark_are_right(stack, source):
    ports = open_ports(stack.settings)
    try:
        refuse_own_time(source)
        refuse_other_time(source, "Spark", lambda: clock(ports.spark))
    finally:
        ports.close()


@pytest.mark.parametrize(("off", "said"), [(-MINUTE, "0:01:00 behind"), (timedelta(days=400), "400 days.* ahead of")])
def test_a_clock_that_is_off_is_refused(source, off, said):
    with pytest.raises(ConfigError, match=f"the clock of this machine is {said} the database's"):
        refuse_other_time(source, "this machine", lambda: datetime.now(UTC) + off)
