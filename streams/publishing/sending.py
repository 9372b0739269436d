"""Events to Kafka with bounded memory, and an honest count of what became of each."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from commonweal import bus
from commonweal.contract.model import Contract
from commonweal.errors import CommonwealError
from streams.publishing.event import Event, Origin

IN_FLIGHT = 10_000
"""Events of one producer that wait for their acknowledgement."""
# The topic unpacks what it is sent and refuses a batch beyond its bound, so batches stay well below it and aren't packed.
OPTIONS = {"batch_size": 262_144, "linger_ms": 20, "compression_type": None}
# The client itself goes on trying for ever when the broker is gone.
PATIENCE_SECONDS = 60.0


@dataclass
class Acknowledgements:
    """What the broker said: written, refused, or nothing at all (then the event may be there or not).

    Attributes:
        cause: The first error, or None.
    """

    written: int = 0
    refused: int = 0
    unknown: int = 0
    cause: CommonwealError | None = field(default=None, repr=False)

    @property
    def are_complete(self) -> bool:
        """True when every event was written."""
        return not self.refused and not self.unknown

    def __add__(self, other: "Acknowledgements") -> "Acknowledgements":
        counts = (self.written + other.written, self.refused + other.refused, self.unknown + other.unknown)
        return Acknowledgements(*counts, self.cause or other.cause)


class Sender:
    """Sends events and waits when too many are on their way."""

    def __init__(self, producer: KafkaProducer, contract: Contract, origin: Origin, progress: Callable[[int], None]) -> None:
        self._producer = producer
        self._contract = contract
        self._origin = origin
        self._progress = progress
        self._patience = PATIENCE_SECONDS
        self._room = threading.BoundedSemaphore(IN_FLIGHT)
        self._lock = threading.Lock()
        self._sent = 0
        self.acknowledgements = Acknowledgements()

    def send(self, events: Iterable[Event]) -> Acknowledgements:
        """Send all events and wait for their acknowledgements; stops at the first event that fails, or when none comes."""
        for event in events:
            if not self._room.acquire(timeout=self._patience) or self.acknowledgements.cause is not None:
                break
            self._send_one(event)
        self._await_answers()
        with self._lock:
            found = replace(self.acknowledgements)  # what the client says of the records it gives up is no answer of the broker
            found.unknown = self._sent - found.written - found.refused
        if not found.are_complete:
            bus.abandon(self._producer)
        return found

    def _await_answers(self) -> None:
        try:
            self._producer.flush(timeout=self._patience)
        except kafka_errors.KafkaError as error:
            with self._lock:
                self.acknowledgements.cause = self.acknowledgements.cause or self._translated(error)

    def _send_one(self, event: Event) -> None:
        headers = [(name, text.encode()) for name, text in self._origin.headers(event, self._contract).items()]
        self._sent += 1
        future = self._producer.send(self._contract.topic, event.value.encode(), event.key.encode(), headers)
        future.add_callback(self._written)
        future.add_errback(self._failed)

    def _written(self, _metadata: object) -> None:
        with self._lock:
            self.acknowledgements.written += 1
        self._progress(1)
        self._room.release()

    def _failed(self, error: BaseException) -> None:
        with self._lock:
            found = self.acknowledgements
            if _may_be_written(error):
                found.unknown += 1
            else:
                found.refused += 1
            found.cause = found.cause or self._translated(error)
        self._room.release()

    def _translated(self, error: BaseException) -> CommonwealError:
        known = error if isinstance(error, kafka_errors.KafkaError) else kafka_errors.KafkaError(type(error).__name__)
        return bus.translated(known, principal(self._contract))


def principal(contract: Contract) -> str:
    """Who writes to the topic of a source."""
    return f"dept-{contract.department}"


def _may_be_written(error: BaseException) -> bool:
    return isinstance(error, kafka_errors.KafkaTimeoutError | kafka_errors.KafkaConnectionError) or getattr(
        error, "retriable", False
    )
