"""Contract -> topic: its name, partitions and settings.

The settings hold what landing relies on. Records are deleted by age only, never compacted, so each offset landed once stays what
it was. The broker stamps the time (``LogAppendTime``), so a department can't move its events in the platform's time.

``compression.type=uncompressed`` is a guard, not a saving: a client unpacks what the broker stored, without a bound (64 KB of
zstd became 2 GiB). With ``producer`` the broker stores the sender's batch as it is and measures it packed; with ``uncompressed``
it unpacks the batch once, measures again, and refuses what is then larger than ``max.message.bytes``. So no reader ever gets more
than that in one batch. Measured on Kafka 4.3.1 with a heap of 512 MB: 50 MB of zeros in zstd are stored with ``producer`` and
refused with ``uncompressed``; 400 MB and 1.5 GB fail in the broker's memory, that request alone, and it serves on. It costs disk.
"""

from dataclasses import dataclass

from commonweal.contract.model import Contract

MAX_MESSAGE_BYTES = 1_048_576
DAY_MS = 86_400_000
SEGMENT_MS = 7 * DAY_MS


@dataclass(frozen=True)
class Topic:
    """One topic as it must be.

    Attributes:
        name: Name in Kafka.
        partitions: Number of partitions; never lowered.
        settings: Topic-level settings; replication is the cluster's matter.
    """

    name: str
    partitions: int
    settings: dict[str, str]


def topic(contract: Contract) -> Topic:
    """The topic of the department's own events."""
    return Topic(contract.topic, contract.partitions, _settings(contract.retention.topic_days))


def repair_topic(contract: Contract) -> Topic:
    """The platform's topic through which repaired events land; few and ordered, so one partition."""
    return Topic(contract.repair_topic, 1, _settings(contract.retention.topic_days))


def _settings(days: int) -> dict[str, str]:
    # A segment is deleted as a whole when its newest record is too old: a quiet topic's segment must be closed for that.
    return {
        "cleanup.policy": "delete",
        "compression.type": "uncompressed",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "message.timestamp.type": "LogAppendTime",
        "retention.bytes": "-1",
        "retention.ms": str(days * DAY_MS),
        "segment.ms": str(min(SEGMENT_MS, days * DAY_MS)),
        "unclean.leader.election.enable": "false",
    }
