"""The candidate of a dataset: the heads that the gate audits next, and what they were made from."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, text

from commonweal.database import database_errors
from commonweal.errors import ConflictError

READ = text("select * from candidate where dataset = :dataset")
WRITE = text("""
insert into candidate (dataset, number, commit_id, offsets, landing_snapshot, snapshots, rows, counts, inputs, contract_digest,
                       code_version, key_epoch)
values (:dataset, :number, :commit_id, cast(:offsets as jsonb), :landing_snapshot, cast(:snapshots as jsonb),
        cast(:rows as jsonb), cast(:counts as jsonb), cast(:inputs as jsonb), :contract_digest, :code_version, :key_epoch)
on conflict (dataset) do update set
    number = excluded.number, commit_id = excluded.commit_id, offsets = excluded.offsets,
    landing_snapshot = excluded.landing_snapshot, snapshots = excluded.snapshots, rows = excluded.rows, counts = excluded.counts,
    inputs = excluded.inputs, contract_digest = excluded.contract_digest, code_version = excluded.code_version,
    key_epoch = excluded.key_epoch,
    made_at = clock_timestamp()
where candidate.number = excluded.number - 1
""")

CARRIES = "carries"
CLOSED_THROUGH = "closed_through"


@dataclass(frozen=True)
class Candidate:
    """One candidate.

    Attributes:
        dataset: The dataset's id.
        number: Counts up by one with each candidate.
        commit_id: The attempt that made it.
        offsets: By topic and partition (as text), up to where landed events are in it; empty for a product.
        landing_snapshot: Snapshot of the landing table it was made from; None for a product.
        snapshots: By table, the snapshot that is to be audited.
        rows: By table, the number of rows that people would read; known after the audit, before it empty.
        counts: What the step counted: keys touched, events taken, groups joined anew; for open data also ``closed_through``, a
            day as ``20261126``; and ``carries``, see ``content``.
        inputs: By dataset, the number of the release it was made from, transitively; empty for a source.
        contract_digest: Of the contract, and after a colon of the code, that it was made with.
        code_version: Of the code it was made by.
        key_epoch: Under which its pseudonyms stand; None where there are none.
    """

    dataset: str
    number: int
    commit_id: str
    offsets: dict[str, dict[str, int]]
    landing_snapshot: int | None
    snapshots: dict[str, int]
    rows: dict[str, int]
    counts: dict[str, int]
    inputs: dict[str, int]
    contract_digest: str
    code_version: str
    key_epoch: int | None = None

    @property
    def content(self) -> int:
        """Number of the candidate whose content this one carries: its own, unless maintenance made it of the same events."""
        return self.counts.get(CARRIES, self.number)

    @property
    def closed_through(self) -> date | None:
        """The day up to which declared periods were closed when it was made; None where it had none."""
        day = self.counts.get(CLOSED_THROUGH)
        return date.fromisoformat(str(day)) if day else None


def closed_through(day: date) -> dict[str, int]:
    """What a candidate's counts hold of the day up to which periods were closed.

    >>> closed_through(date(2026, 11, 26))
    {'closed_through': 20261126}
    """
    return {CLOSED_THROUGH: int(f"{day:%Y%m%d}")}


def read_candidate(engine: Engine, dataset: str) -> Candidate | None:
    """The dataset's newest candidate, or None when nothing was cleaned or joined yet."""
    with database_errors(f"reading the candidate of {dataset}"), engine.begin() as connection:
        row = connection.execute(READ, {"dataset": dataset}).mappings().first()
    return from_row(dict(row)) if row else None


def from_row(row: dict[str, Any]) -> Candidate:
    """A candidate from its row."""
    return Candidate(**{name: row[name] for name in Candidate.__dataclass_fields__})


def write_candidate(connection: Connection, candidate: Candidate) -> None:
    """Make it the dataset's newest candidate, inside the commit's transaction.

    Raises:
        ConflictError: Another candidate was made since.
    """
    documents = ("offsets", "snapshots", "rows", "counts", "inputs")
    values = {name: getattr(candidate, name) for name in Candidate.__dataclass_fields__}
    values |= {name: json.dumps(values[name], sort_keys=True) for name in documents}
    if connection.execute(WRITE, values).rowcount != 1:
        raise ConflictError(f"{candidate.dataset}: another candidate was made since; nothing changed, run the step again")
