"""Arithmetic of Kafka offsets, by partition; offsets are the next record to read, so ``[start, end)`` are ranges."""

import json
from collections.abc import Mapping
from typing import Any

from commonweal.errors import DataLossError

Offsets = dict[int, int]


def count(start: Mapping[int, int], end: Mapping[int, int]) -> int:
    """How many offsets lie in ``[start, end)``.

    >>> count({0: 5}, {0: 8, 1: 2})
    5
    """
    return sum(max(0, stop - start.get(partition, 0)) for partition, stop in end.items())


def total(ends: Mapping[str, Mapping[str, int]]) -> int:
    """How many offsets lie below the ends of all topics.

    >>> total({"a": {"0": 3, "1": 2}, "b": {"0": 1}})
    6
    """
    return sum(sum(partitions.values()) for partitions in ends.values())


def advance(start: Mapping[int, int], end: Mapping[int, int], most: int) -> Offsets:
    """The end of a batch of at most ``most`` offsets, the partitions advancing in proportion to what each has left.

    >>> advance({0: 0, 1: 0}, {0: 30, 1: 10}, 20)
    {0: 15, 1: 5}
    >>> advance({0: 7}, {0: 9}, 100)
    {0: 9}
    """
    left = {partition: stop - start.get(partition, 0) for partition, stop in end.items()}
    total = sum(left.values())
    if total <= most:
        return dict(end)
    stops = {partition: start.get(partition, 0) + most * records // total for partition, records in left.items()}
    if all(stops[partition] == start.get(partition, 0) for partition in stops):
        largest = max(left, key=lambda partition: left[partition])
        stops[largest] += 1
    return stops


def gaps(start: Mapping[int, int], end: Mapping[int, int], records: Mapping[int, int]) -> Offsets:
    """Offsets without a record, by partition: transaction markers; negative would mean too many records.

    >>> gaps({0: 0}, {0: 10}, {0: 9})
    {0: 1}
    """
    return {partition: stop - start.get(partition, 0) - records.get(partition, 0) for partition, stop in end.items()}


def to_json(offsets: Mapping[int, int]) -> str:
    """Offsets as JSON with sorted partitions."""
    return json.dumps({str(partition): offsets[partition] for partition in sorted(offsets)})


def from_json(stored: str | Mapping[str, Any]) -> Offsets:
    """Offsets as stored.

    >>> from_json('{"0": 4}')
    {0: 4}
    """
    values = json.loads(stored) if isinstance(stored, str) else stored
    return {int(partition): int(offset) for partition, offset in values.items()}


def spark_json(topic: str, offsets: Mapping[int, int]) -> str:
    """Offsets as Spark's Kafka source takes them."""
    return json.dumps({topic: {str(partition): offsets[partition] for partition in sorted(offsets)}})


def refuse_losses(dataset: str, topic: str, start: Offsets, *, beginning: Offsets, end: Offsets) -> None:
    """See to it that Kafka still holds everything from ``start`` on: nothing is skipped because it is gone.

    Raises:
        DataLossError: A partition begins behind its start, or ends before it.
    """
    lost = {partition: beginning[partition] - start[partition] for partition in start if beginning[partition] > start[partition]}
    shrunk = [partition for partition in start if end[partition] < start[partition]]
    if lost or shrunk:
        raise DataLossError(_loss_message(dataset, topic, lost, shrunk))


def _loss_message(dataset: str, topic: str, lost: Offsets, shrunk: list[int]) -> str:
    what = [f"partition {partition} lost {records} records before they were landed" for partition, records in lost.items()]
    what += [f"partition {partition} ends before what was landed" for partition in shrunk]
    return (
        f"{dataset}: topic {topic}: {'; '.join(what)}; nothing is skipped. Publish them again, or accept the loss with a reason: "
        f"commonweal loss accept {dataset}"
    )
