"""Offsets: what Kafka must still hold before anything is landed."""

import pytest

from commonweal.errors import DataLossError
from commonweal.offsets import refuse_losses

START = {0: 4, 1: 0}


def look(beginning: dict[int, int], end: dict[int, int]) -> None:
    refuse_losses("hotline.calls", "hotline.calls.v1", START, beginning=beginning, end=end)


def test_what_is_still_there_is_landed():
    look({0: 4, 1: 0}, {0: 9, 1: 0})
    look({0: 0, 1: 0}, {0: 4, 1: 3})


def test_a_lost_prefix_stops_landing_and_says_how_to_go_on():
    with pytest.raises(DataLossError, match=r"partition 0 lost 2 records .*commonweal loss accept hotline\.calls"):
        look({0: 6, 1: 0}, {0: 9, 1: 0})


def test_a_lost_partition_that_holds_nothing_more_stops_landing():
    with pytest.raises(DataLossError, match="partition 1 lost 3 records"):
        look({0: 4, 1: 3}, {0: 9, 1: 3})


def test_a_partition_that_ends_before_what_was_landed_stops_landing():
    with pytest.raises(DataLossError, match="partition 0 ends before what was landed"):
        look({0: 0, 1: 0}, {0: 3, 1: 0})
