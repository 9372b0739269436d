"""Announce: releases, refusals and rollbacks from the outbox to Kafka, at least once, in order within a dataset.

One message is sent and acknowledged before the next one of the same dataset. Marking it as sent comes after, so a program that
dies in between sends it again: subscribers know a message by its ``ce_id``. A second announcer waits at the row's lock.
"""

import json
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError
from sqlalchemy import Engine, text

from commonweal import bus
from commonweal.database import database_errors, engine
from commonweal.render.access import RELEASES_TOPIC
from commonweal.settings import Settings, load_settings
from streams.repeat import log_as_json, repeat, stop_at_signal

log = structlog.get_logger()

PRINCIPAL = "announce"
ACKNOWLEDGED_SECONDS = 30.0

WAITING = text("select dataset from outbox where sent_at is null group by dataset order by min(seq)")
# The lock is held until the mark is committed, so that two announcers never send at once for one dataset.
NEXT = text("""
select seq, dataset, dataset_seq, kind, payload, created_at from outbox
where dataset = :dataset and sent_at is null order by dataset_seq limit 1 for update
""")
MARK = text("update outbox set sent_at = clock_timestamp() where seq = :seq")


class Message(NamedTuple):
    """One CloudEvent in Kafka's binary mode."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def message(*, dataset: str, dataset_seq: int, kind: str, payload: dict[str, Any], created_at: datetime) -> Message:
    """The message of a row of the outbox; the same row always makes the same message."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": f"{dataset}/{dataset_seq}",
        "ce_source": "/commonweal",
        "ce_type": f"commonweal.{kind}",
        "ce_time": created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "content-type": "application/json",
    }
    value = json.dumps({**payload, "dataset_seq": dataset_seq}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return Message(dataset.encode(), value.encode(), [(name, text.encode()) for name, text in attributes.items()])


def announce(settings: Settings) -> int:
    """Send what waits in the outbox. What one dataset meets keeps no other from being announced.

    Returns:
        How many messages were sent.

    Raises:
        TransientError: Database or Kafka is unreachable.
        CommonwealError: The first of the errors that single datasets met, when all others were sent.
    """
    database = engine(settings, PRINCIPAL)
    with database_errors("reading the outbox"), database.begin() as connection:
        waiting = list(connection.execute(WAITING).scalars())
    if not waiting:
        return 0
    with bus.producer(settings, PRINCIPAL) as producer:
        return _announce_all(database, producer, waiting)


def main() -> None:
    """Announce until SIGTERM."""
    log_as_json()
    settings = load_settings()
    log.info("announce_started", every_seconds=settings.watch_seconds)
    repeat(lambda: nullcontext(partial(announce, settings)), seconds=settings.watch_seconds, stop=stop_at_signal())
    log.info("announce_ended")


def _announce_all(database: Engine, producer: KafkaProducer, waiting: list[str]) -> int:
    sent, failures = 0, []
    for dataset in waiting:
        try:
            while _announce_next(database, producer, dataset):
                sent += 1
        except KafkaError as error:
            failures.append(bus.translated(error, PRINCIPAL))
    if failures:
        raise failures[0]
    return sent


def _announce_next(database: Engine, producer: KafkaProducer, dataset: str) -> bool:
    """Send and mark the oldest message of a dataset; False when there is none, or another announcer has just sent it."""
    with database_errors(f"announcing {dataset}"), database.begin() as connection:
        row = connection.execute(NEXT, {"dataset": dataset}).mappings().first()
        if row is None:
            return False
        seq, fields = row["seq"], {name: row[name] for name in row if name != "seq"}
        producer.send(RELEASES_TOPIC, **message(**fields)._asdict()).get(timeout=ACKNOWLEDGED_SECONDS)
        connection.execute(MARK, {"seq": seq})
    log.info("announced", dataset=dataset, dataset_seq=row["dataset_seq"], kind=row["kind"])
    return True


if __name__ == "__main__":
    main()
