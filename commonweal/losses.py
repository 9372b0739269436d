"""Events that Kafka lost before they were landed: found, and accepted by a person with a reason. Nothing skips by itself.

An accepted loss is a range of offsets of one partition. The landed offsets move over it in the same commit, and the gate takes it
from the offsets that must add up. What such a range can't say stays refused: a topic that was made anew, or one that ends before
what was landed, uses the same offsets again for other events, and landed rows are known by topic and offset.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial

from sqlalchemy import Connection, text

from commonweal import evidence
from commonweal.contract.model import Contract
from commonweal.errors import ConfigError, ConflictError, DataLossError
from commonweal.lake.commit import Change, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import attempt_branch
from commonweal.offsets import from_json, to_json
from commonweal.people import Person, may_decide
from commonweal.ports import Ports
from commonweal.steps.land import FIRST, LANDED, SWAP_OFFSETS, landed_offsets, positions, skip_accepted_losses

ACCEPT = text("""
insert into accepted_loss (dataset, topic, partition, start_offset, end_offset, person, reason)
values (:dataset, :topic, :partition, :start, :end, :person, :reason)
""")


@dataclass(frozen=True, order=True)
class Loss:
    """Offsets ``[start, end)`` of one partition that were never landed and that Kafka no longer holds."""

    topic: str
    topic_id: str
    partition: int
    start: int
    end: int

    @property
    def records(self) -> int:
        """How many offsets were lost."""
        return self.end - self.start


def find_losses(contract: Contract, ports: Ports) -> tuple[Loss, ...]:
    """What the dataset's topics lost before it was landed, and nobody has accepted yet.

    Raises:
        ConfigError: The dataset is a product, or a topic lost what a range of offsets can't say.
        TransientError: Kafka or the database is unreachable.
    """
    if contract.kind != "source":
        raise ConfigError(f"{contract.id} is a product: nothing lands in it, so nothing can be lost")
    return tuple(loss for topic in contract.topics for loss in _of_topic(contract, ports, topic))


def accept(contract: Contract, ports: Ports, lease: Lease, person: Person, losses: tuple[Loss, ...], *, reason: str) -> int:
    """Record that a person accepts the losses, with the evidence; landing goes on behind them.

    Returns:
        How many offsets were accepted as lost.

    Raises:
        AccessDeniedError: The person may not decide about the dataset; that is in the evidence.
        ConfigError: What is lost is no longer what the person was shown.
        ConflictError, FencedError, TransientError: As the commit function.
    """
    may_decide(contract, ports, person, "accept_loss")
    if not losses or find_losses(contract, ports) != losses:
        raise ConfigError(f"{contract.id}: what is lost is not what was shown; nothing was accepted, look again")
    attempt = attempt_branch(lease.epoch)
    lost = [{"topic": loss.topic, "partition": loss.partition, "start": loss.start, "end": loss.end} for loss in losses]
    entry = evidence.Entry(person.role, "loss_accepted", contract.id, {"attempt": attempt, "reason": reason, "lost": lost})
    rows = partial(_write, contract.id, losses, person.role, reason)
    commit(ports.engine, ports.lake, Change(attempt, "accept loss", lease, (), rows, entry))
    return sum(loss.records for loss in losses)


def _of_topic(contract: Contract, ports: Ports, topic: str) -> list[Loss]:
    seen = positions(ports.settings, topic)
    try:
        start = landed_offsets(contract, ports, topic, seen.topic_id)
    except DataLossError:
        raise ConfigError(_remade(contract, topic, "was deleted and made anew")) from None
    start = skip_accepted_losses(contract, ports, topic, {partition: start.get(partition, 0) for partition in seen.end})
    if any(seen.end[partition] < start[partition] for partition in start):
        raise ConfigError(_remade(contract, topic, "ends before what was landed"))
    return [
        Loss(topic, seen.topic_id, partition, start[partition], beginning)
        for partition, beginning in sorted(seen.beginning.items())
        if beginning > start[partition]
    ]


def _remade(contract: Contract, topic: str, what: str) -> str:
    return (
        f"{contract.id}: topic {topic} {what}: its offsets stand for other events now, so no range can be accepted. Bring "
        f"the broker's data back; if they are gone, raise the contract's major version to {contract.major + 1}.0.0 and run "
        f"commonweal apply: its topics are new, what has landed stays, and the department publishes again what is missing"
    )


def _write(dataset: str, losses: Iterable[Loss], person: str, reason: str, connection: Connection) -> None:
    for loss in losses:
        values = {"dataset": dataset, "person": person, "reason": reason, **asdict(loss)}
        connection.execute(ACCEPT, values)
        _move_over(connection, dataset, loss)


def _move_over(connection: Connection, dataset: str, loss: Loss) -> None:
    """Set the landed offset behind the loss, or there would be work for ever where nothing comes after it."""
    where = {"dataset": dataset, "topic": loss.topic, "topic_id": loss.topic_id}
    connection.execute(FIRST, where)
    before = from_json(connection.execute(LANDED, where).one().offsets)
    swapped = {**where, "start": to_json(before), "end": to_json({**before, loss.partition: loss.end})}
    if before.get(loss.partition, 0) != loss.start or connection.execute(SWAP_OFFSETS, swapped).rowcount != 1:
        raise ConflictError(f"{dataset}: topic {loss.topic} was landed further meanwhile; nothing was accepted, look again")
