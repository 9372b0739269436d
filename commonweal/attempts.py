"""Attempts: one row per run of a step, also of those that failed, with what the attempt saw."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

from commonweal.database import database_errors
from commonweal.errors import CommonwealError, GateClosedError

BEGIN = text("insert into attempt (id, run_id, dataset, step, basis) values (:id, :run_id, :dataset, :step, :basis)")
END = text("""
update attempt set finished_at = clock_timestamp(), outcome = :outcome, error = :error, message = :message, retryable = :retryable
where id = :id
""")


@dataclass
class Attempt:
    """One run of a step while it runs; the step's result is put into ``result``."""

    id: str
    run_id: str
    dataset: str
    step: str
    result: dict[str, int] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """``nothing`` when every count of the result is zero, else ``done``."""
        return "done" if any(self.result.values()) else "nothing"


@contextmanager
def recorded(engine: Engine, attempt: Attempt, basis: str) -> Iterator[Attempt]:
    """Record that the attempt began and how it ended; a killed one stays without an end, which is the truth."""
    begin = {"id": attempt.id, "run_id": attempt.run_id, "dataset": attempt.dataset, "step": attempt.step, "basis": basis}
    with database_errors(f"recording an attempt of {attempt.dataset}"), engine.begin() as connection:
        connection.execute(BEGIN, begin)
    try:
        yield attempt
    except CommonwealError as error:
        outcome = "refused" if isinstance(error, GateClosedError) else "failed"
        _end(engine, attempt, outcome, error)
        raise
    _end(engine, attempt, attempt.outcome, None)


def new_attempt(run_id: str, dataset: str, step: str) -> Attempt:
    """A new attempt with a name of its own."""
    return Attempt(f"t_{secrets.token_hex(8)}", run_id, dataset, step)


def _end(engine: Engine, attempt: Attempt, outcome: str, error: CommonwealError | None) -> None:
    values = {
        "id": attempt.id,
        "outcome": outcome,
        "error": type(error).__name__ if error else None,
        "message": str(error) if error else None,
        "retryable": error.retryable if error else None,
    }
    with database_errors(f"recording the end of an attempt of {attempt.dataset}"), engine.begin() as connection:
        connection.execute(END, values)
