"""A dataset of which nothing is known yet, for tests of what is said of one."""

from commonweal.overview import DatasetStatus
from commonweal.work import Work

FRESH = DatasetStatus(
    dataset="d.a",
    lag=0,
    landed_at=None,
    gate="",
    gated_at=None,
    release=None,
    rows=None,
    released_at=None,
    held=False,
    rolled_back=False,
    work=Work("d.a", (), "", 0, None),
    is_late=False,
    waiting_since=None,
    rejected_share=None,
)
