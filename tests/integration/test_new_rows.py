"""Which landing rows are new: those that were not held before, whatever topics and partitions came since."""

from random import Random

import pytest

from commonweal.lake.spark import below, new_rows, session

TOPICS = ("a.v1", "a.v2", "platform.repairs")


@pytest.fixture(scope="module")
def spark(stack):
    opened = session(stack.settings)
    yield opened
    opened.stop()


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_are_new_are_those_that_were_not_below_before(spark, seed):
    random = Random(seed)
    now = {topic: {str(part): random.randrange(900) for part in range(random.randrange(1, 4))} for topic in TOPICS}
    before = {
        topic: {part: random.randrange(end + 1) for part, end in ends.items() if random.random() < 0.8}
        for topic, ends in now.items()
        if random.random() < 0.8
    }
    places = [(topic, int(part), at) for topic, ends in now.items() for part, end in ends.items() for at in range(end)]
    rows = spark.createDataFrame(places, "_kafka_topic STRING, _kafka_partition INT, _kafka_offset BIGINT")
    found = {tuple(row) for row in rows.where(new_rows(before, now)).collect()}
    assert found == {tuple(row) for row in rows.where(~below(before)).collect()}
    assert found == {place for place in places if place[2] >= before.get(place[0], {}).get(str(place[1]), 0)}
