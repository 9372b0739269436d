"""How the platform is, in numbers, as the database knows it: no value of a row, nothing about a person.

Beside the datasets' own state (``overview``): what the gate decided, how each step's attempts ended, what waits to be announced,
and where the chain of evidence ends.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

from commonweal import evidence
from commonweal.database import database_errors

GATES = text("select dataset, passed, count(*) as count from gate_result group by dataset, passed order by dataset, passed")
STEPS = text("""
select dataset, step,
    max(finished_at) filter (where outcome in ('done', 'nothing')) as succeeded_at,
    (array_agg(extract(epoch from finished_at - started_at) order by finished_at desc)
        filter (where outcome in ('done', 'nothing')))[1]::float8 as seconds,
    count(*) filter (where outcome = 'failed') as failures
from attempt where finished_at is not null group by dataset, step order by dataset, step
""")
WAITING = text("select count(*) as unsent, min(created_at) as oldest from outbox where sent_at is null")


@dataclass(frozen=True)
class GateCount:
    """How often the gate passed, or refused, a dataset's candidates."""

    dataset: str
    passed: bool
    count: int


@dataclass(frozen=True)
class StepHealth:
    """How a step's attempts ended.

    Attributes:
        dataset: The dataset's id.
        step: The step's name.
        succeeded_at: When the last attempt ended that did what it should, also if there was nothing to do; None: never.
        seconds: How long that one took, or None.
        failures: Attempts that ended in an error; a refusal of the gate is none.
    """

    dataset: str
    step: str
    succeeded_at: datetime | None
    seconds: float | None
    failures: int


@dataclass(frozen=True)
class Health:
    """The platform's numbers.

    Attributes:
        gates: Counts of verdicts.
        steps: One for each dataset and step that was ever tried.
        unsent: Announcements that wait to be sent.
        oldest_unsent: When the oldest of them was written, or None.
        head_seq: Entries in the evidence log.
        head_hash: Hash of the last one, in hex; empty when there is none.
    """

    gates: tuple[GateCount, ...]
    steps: tuple[StepHealth, ...]
    unsent: int
    oldest_unsent: datetime | None
    head_seq: int
    head_hash: str


def read_health(engine: Engine) -> Health:
    """The numbers now, all of one moment.

    Args:
        engine: The database, as the role ``watch`` or one that may read as much.

    Raises:
        TransientError: The database is unreachable.
    """
    with database_errors("reading the platform's health"), engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ")
        waiting, head = connection.execute(WAITING).one(), connection.execute(text(evidence.HEAD)).first()
        return Health(
            gates=tuple(GateCount(*row) for row in connection.execute(GATES)),
            steps=tuple(StepHealth(*row) for row in connection.execute(STEPS)),
            unsent=waiting.unsent,
            oldest_unsent=waiting.oldest,
            head_seq=head.seq if head else 0,
            head_hash=head.hash if head else "",
        )
