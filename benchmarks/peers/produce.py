"""The peer of publishing: kafka-python alone sends the same messages, with the same login and the same promises.

Nothing is checked, derived or journalled. Batch size and linger are what kafka-python's documentation advises for throughput.
"""

import sys
from pathlib import Path

import orjson
from kafka import KafkaProducer

from commonweal import bus
from commonweal.settings import load_settings

OPTIONS = {"acks": "all", "enable_idempotence": True, "batch_size": 262_144, "linger_ms": 20}


def main(messages: Path, topic: str, principal: str) -> None:
    """Send every line of a file: headers, key and value."""
    producer = KafkaProducer(**bus.client_options(load_settings(), principal), **OPTIONS)
    failures: list[BaseException] = []
    with messages.open("rb") as lines:
        for line in lines:
            headers, key, value = orjson.loads(line)
            pairs = [(name, text.encode()) for name, text in headers]
            producer.send(topic, value.encode(), key.encode(), pairs).add_errback(failures.append)
    producer.flush()
    producer.close()
    if failures:
        raise SystemExit(f"{len(failures)} messages were not written: {type(failures[0]).__name__}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
