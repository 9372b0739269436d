"""Releases: the manifests that people read by, and which one is current."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, TextClause, text

from commonweal.database import database_errors

CURRENT = text("select r.* from release r join current_release c using (dataset, number) where dataset = :dataset")
LISTED = text("""
select r.*, r.number = c.number as is_current from release r left join current_release c using (dataset)
where cast(:dataset as text) is null or r.dataset = :dataset order by r.dataset, r.number desc limit :most
""")
NUMBERED = text("select * from release where dataset = :dataset and number = :number")
NEXT = text("select coalesce(max(number), 0) + 1 from release where dataset = :dataset")
INSERT = text("""
insert into release (dataset, number, commit_id, gate_id, snapshots, rows, counts, offsets, inputs, contract_version,
                     contract_digest, suite_digest, code_version, quality_digest, key_epoch, content)
values (:dataset, :number, :commit_id, :gate_id, cast(:snapshots as jsonb), cast(:rows as jsonb), cast(:counts as jsonb),
        cast(:offsets as jsonb), cast(:inputs as jsonb), :contract_version, :contract_digest, :suite_digest, :code_version,
        :quality_digest, :key_epoch, :content)
""")
POINT = text("""
insert into current_release (dataset, number) values (:dataset, :number)
on conflict (dataset) do update set number = excluded.number
""")
ROLLED_BACK = text("select number from rolled_back where dataset = :dataset")
IS_ROLLED_BACK = text("""
select exists (
    select 1 from candidate c
    join rolled_back b on b.dataset = c.dataset
    join release r on r.dataset = b.dataset and r.number = b.number
    where c.dataset = :dataset
      and (c.snapshots = r.snapshots or coalesce((c.counts ->> 'carries')::bigint, c.number) = r.content))
""")
HELD = text("select person, reason, made_at from hold where dataset = :dataset")
DOCUMENTS = ("snapshots", "rows", "counts", "offsets", "inputs")


@dataclass(frozen=True)
class Release:
    """One release's manifest.

    Attributes:
        dataset: The dataset's id.
        number: Counts up by one per dataset.
        commit_id: The attempt that released it.
        gate_id: The gate result that passed it.
        snapshots: By table, the snapshot that was audited, and no other.
        rows: By table, the number of rows that people read.
        counts: The accounting, from Kafka to here.
        offsets: By topic and partition, up to where landed events are in it.
        inputs: By dataset, the number of the release it was made from, transitively.
        contract_version: Of the contract.
        contract_digest: Of the contract.
        suite_digest: Of the expectation suite that it passed.
        code_version: Commit of the code.
        quality_digest: Of the gate's report.
        key_epoch: Under which its pseudonyms stand; None where there are none.
        content: Number of the candidate whose content it carries, see ``Candidate.content``.
        made_at: When, by the database's clock; None before it is stored.
    """

    dataset: str
    number: int
    commit_id: str
    gate_id: str
    snapshots: dict[str, int]
    rows: dict[str, int]
    counts: dict[str, int]
    offsets: dict[str, dict[str, int]]
    inputs: dict[str, int]
    contract_version: str
    contract_digest: str
    suite_digest: str
    code_version: str
    quality_digest: str
    key_epoch: int | None = None
    content: int | None = None
    made_at: datetime | None = None


def current_release(engine: Engine, dataset: str) -> Release | None:
    """What people read of the dataset now, or None when nothing was released yet."""
    return _one(engine, dataset, CURRENT, {"dataset": dataset})


def numbered_release(engine: Engine, dataset: str, number: int) -> Release | None:
    """A release by its number, or None when it never was."""
    return _one(engine, dataset, NUMBERED, {"dataset": dataset, "number": number})


def list_releases(engine: Engine, dataset: str | None = None, *, most: int | None = 100) -> list[tuple[Release, bool]]:
    """Releases, newest first, each with whether it is the current one; all of them if ``most`` is None."""
    with database_errors("listing the releases"), engine.begin() as connection:
        rows = connection.execute(LISTED, {"dataset": dataset, "most": most}).mappings().all()
    return [(_from_row(dict(row)), bool(row["is_current"])) for row in rows]


def hold_of(engine: Engine, dataset: str) -> tuple[str, str] | None:
    """Who holds the dataset's releases back, and why, or None."""
    with database_errors(f"reading the hold of {dataset}"), engine.begin() as connection:
        row = connection.execute(HELD, {"dataset": dataset}).first()
    return (row.person, row.reason) if row else None


def rolled_back_numbers(engine: Engine, dataset: str) -> frozenset[int]:
    """Numbers of the dataset's releases that a person went back from."""
    with database_errors(f"reading what was rolled back of {dataset}"), engine.begin() as connection:
        return frozenset(connection.execute(ROLLED_BACK, {"dataset": dataset}).scalars())


def is_rolled_back(engine: Engine, dataset: str) -> bool:
    """Whether the newest candidate is what a person went back from: nothing was mended since, so it isn't released again."""
    with database_errors(f"reading what was rolled back of {dataset}"), engine.begin() as connection:
        return bool(connection.execute(IS_ROLLED_BACK, {"dataset": dataset}).scalar_one())


def next_number(connection: Connection, dataset: str) -> int:
    """The number of the next release; safe under the dataset's lease."""
    return int(connection.execute(NEXT, {"dataset": dataset}).scalar_one())


def write_release(connection: Connection, release: Release) -> None:
    """Store the manifest and make it what people read, inside the commit's transaction."""
    values = {name: getattr(release, name) for name in Release.__dataclass_fields__ if name != "made_at"}
    values |= {name: json.dumps(values[name], sort_keys=True) for name in DOCUMENTS}
    connection.execute(INSERT, values)
    point_to(connection, release.dataset, release.number)


def point_to(connection: Connection, dataset: str, number: int) -> None:
    """Make a stored release what people read."""
    connection.execute(POINT, {"dataset": dataset, "number": number})


def _one(engine: Engine, dataset: str, query: TextClause, values: dict[str, Any]) -> Release | None:
    with database_errors(f"reading a release of {dataset}"), engine.begin() as connection:
        row = connection.execute(query, values).mappings().first()
    return _from_row(dict(row)) if row else None


def _from_row(row: dict[str, Any]) -> Release:
    return Release(**{name: row[name] for name in Release.__dataclass_fields__})
