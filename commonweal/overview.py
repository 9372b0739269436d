"""Every dataset on one screen: how far it is behind, what the gate said, what people read, and whether the promise is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from commonweal import bus
from commonweal.contract.model import Contract
from commonweal.database import database_errors, database_now
from commonweal.offsets import Offsets, count
from commonweal.settings import Settings
from commonweal.steps.join import code_digest
from commonweal.work import Work, find_work, read_state

LAST_LANDING = text("select max(made_at) from landing_batch where dataset = :dataset")
OLDEST_UNRELEASED = text("""
select min(b.made_at) from landing_batch b
where b.dataset = :dataset and b.made_at > coalesce(
    (select c.made_at from release r join current_release u using (dataset, number) join commit_record c on c.id = r.commit_id
     where r.dataset = :dataset), '-infinity')
""")


@dataclass(frozen=True)
class DatasetStatus:
    """Where one dataset stands.

    Attributes:
        dataset: The dataset's id.
        lag: Records in Kafka that aren't landed; None for a product.
        landed_at: When the last batch landed, or None.
        gate: ``passed``, ``refused``, or empty before the first audit.
        gated_at: When the gate judged last, or None.
        release: Number of the release that people read, or None.
        rows: Rows of it.
        released_at: When it was released, or None.
        held: True when a person holds releases back.
        rolled_back: True when the newest candidate is what people went back from: releases wait for a newer one.
        work: What there is to do.
        is_late: True when something has waited longer than the contract's promise.
        waiting_since: When the oldest batch landed that is in no release yet, or None.
        rejected_share: Share of the events since the last release that are rejected and open, as the gate counted last, or None.
    """

    dataset: str
    lag: int | None
    landed_at: datetime | None
    gate: str
    gated_at: datetime | None
    release: int | None
    rows: int | None
    released_at: datetime | None
    held: bool
    rolled_back: bool
    work: Work
    is_late: bool
    waiting_since: datetime | None
    rejected_share: float | None


def overview(engine: Engine, contracts: Mapping[str, Contract], ends: Mapping[str, Offsets]) -> list[DatasetStatus]:
    """Where every dataset stands now.

    Args:
        engine: The database, as a role that may read the platform's tables.
        contracts: By id.
        ends: By topic, Kafka's end offsets.
    """
    now = database_now(engine)
    return [_status(engine, contract, ends, now) for contract in contracts.values()]


def end_offsets(settings: Settings, contracts: Mapping[str, Contract]) -> dict[str, Offsets]:
    """By topic of every source, Kafka's end offsets."""
    topics = [topic for item in contracts.values() for topic in item.topics]
    with bus.admin(settings, "watch") as client:
        return bus.end_offsets(client, topics)


def _status(engine: Engine, contract: Contract, ends: Mapping[str, Offsets], now: datetime) -> DatasetStatus:
    own = {topic: ends[topic] for topic in contract.topics if topic in ends}
    state = read_state(engine, contract)
    with database_errors(f"reading the status of {contract.id}"), engine.begin() as connection:
        landed_at = connection.execute(LAST_LANDING, {"dataset": contract.id}).scalar()
        waiting = connection.execute(OLDEST_UNRELEASED, {"dataset": contract.id}).scalar()
    gate = ("passed" if state.gate["passed"] else "refused") if state.gate else ""
    lag = sum(count(state.landed.get(topic, {}), end) for topic, end in own.items()) if contract.kind == "source" else None
    return DatasetStatus(
        dataset=contract.id,
        lag=lag,
        landed_at=landed_at,
        gate=gate,
        gated_at=state.gate["made_at"] if state.gate else None,
        release=state.release.number if state.release else None,
        rows=state.release.rows["current"] if state.release else None,
        released_at=state.release.made_at if state.release else None,
        held=state.held,
        rolled_back=state.rolled_back,
        work=find_work(contract, state, own, code_digest(contract), today=now.astimezone(UTC).date()),
        is_late=waiting is not None and now - waiting > timedelta(minutes=contract.freshness_minutes),
        waiting_since=waiting,
        rejected_share=_rejected_share(contract, state.gate),
    )


def _rejected_share(contract: Contract, gate: Mapping[str, Any] | None) -> float | None:
    trend = gate["report"].get("trend") if gate and contract.kind == "source" else None
    return float(trend[-1]["share_rejected"]) if trend else None
