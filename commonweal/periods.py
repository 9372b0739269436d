"""The calendar of a declared period: when a period of open data is closed, and which day last changed what may be published.

Pure: the day is an argument. A period also waits until the data have reached a later one (:mod:`commonweal.suppression`); that is
no event of the calendar, and comes with a release of the inputs.
"""

from datetime import date, timedelta

from commonweal.contract.model import Suppression

MONTHS = {"month": 1, "quarter": 3, "year": 12}


def closing_day(period: date, suppression: Suppression) -> date:
    """The day on which the period that begins with the day ``period`` is closed."""
    month = period.month - 1 + MONTHS[suppression.period_unit]
    return date(period.year + month // 12, month % 12 + 1, 1) - timedelta(days=1) + timedelta(days=suppression.settle_days)


def last_event(suppression: Suppression, today: date) -> date:
    """The newest day, ``today`` included, on which a period was closed or an announced revision came."""
    return max([_last_closing(suppression, today), *(day for day in suppression.revisions if day <= today)])


def _last_closing(suppression: Suppression, today: date) -> date:
    settled, months = timedelta(days=suppression.settle_days), MONTHS[suppression.period_unit]
    # The day after the last that can be closed by today stands in the first period that can't.
    open_day = today - settled + timedelta(days=1)
    first = open_day.replace(month=(open_day.month - 1) // months * months + 1, day=1)
    return first - timedelta(days=1) + settled
