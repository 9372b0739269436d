"""Positions within topics: when the first unread record was appended, and topics that begin at a given offset."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from kafka import KafkaAdminClient, TopicPartition

from commonweal import bus
from commonweal.errors import ConflictError, TransientError
from commonweal.offsets import Offsets
from commonweal.settings import Settings

READ_SECONDS = 30.0
BATCH_BYTES = 1 << 18


def first_appended(settings: Settings, topic: str, start: Mapping[int, int], end: Mapping[int, int]) -> datetime | None:
    """When the first record of ``[start, end)`` was appended, by the broker's clock; None when Kafka holds none of them.

    Only the time of a record is looked at.

    Raises:
        TransientError: Kafka gives none of them in time.
    """
    with bus.admin(settings, "admin") as client:
        held = bus.beginning_offsets(client, [topic])[topic]
    # What Kafka lost before it was landed has no time any more.
    begins = {partition: max(start.get(partition, 0), held[partition]) for partition in end}
    waiting = {partition: at for partition, at in begins.items() if at < end[partition]}
    times: dict[int, int] = {}
    with bus.consumer(settings, "admin", auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, partition) for partition in waiting])
        for partition, offset in waiting.items():
            consumer.seek(TopicPartition(topic, partition), offset)
        deadline = time.monotonic() + READ_SECONDS
        while set(waiting) - set(times):
            if time.monotonic() > deadline:
                raise TransientError(
                    f"topic {topic}: records that are not landed could not be read in {READ_SECONDS:.0f} s; try again"
                )
            for place, records in consumer.poll(timeout_ms=500).items():
                times.setdefault(place.partition, records[0].timestamp)
    return datetime.fromtimestamp(min(times.values()) / 1000, UTC) if times else None


def begin_at(settings: Settings, client: KafkaAdminClient, topic: str, offsets: Offsets) -> None:
    """Make each partition of a new, empty topic begin at its offset, so that the next record gets it.

    Kafka numbers from 0 and can't be told otherwise: empty placeholders are written up to the offset and deleted at once. Nobody
    else may write to or read the topic meanwhile.

    Raises:
        ConflictError: The topic isn't empty, or somebody else wrote to it.
        AccessDeniedError, TransientError: As every request.
    """
    if any(bus.end_offsets(client, [topic]).get(topic, {}).values()):
        raise ConflictError(f"topic {topic} holds records already; a restore needs an empty Kafka, nothing was changed in it")
    with bus.producer(settings, "admin", batch_size=BATCH_BYTES, linger_ms=50, compression_type="gzip") as producer:
        for partition, offset in offsets.items():
            for _ in range(offset):
                producer.send(topic, value=b"", partition=partition)
        producer.flush()
    wanted = {partition: offset for partition, offset in offsets.items() if offset}
    if wanted:
        client.delete_records({TopicPartition(topic, partition): offset for partition, offset in wanted.items()})
    found = bus.beginning_offsets(client, [topic])[topic], bus.end_offsets(client, [topic])[topic]
    if any(side.get(partition) != offset for side in found for partition, offset in offsets.items()):
        raise ConflictError(
            f"topic {topic} does not begin where it should: somebody else wrote to it; reset the stack and restore again"
        )
