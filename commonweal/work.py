"""What is work: what stands between what departments published and what people read. Airflow decides nothing; this does.

Work is open when landed < end, cleaned < landed, a candidate is not gated, a passed candidate not released, released inputs are
not those of the last attempt, a declared period was closed, or contract, suite, code or pseudonym keys changed since. A refusal
is final until data, contract, suite or code change; so is a rollback: what people went back from is not released again as it was.
An attempt that ended in a no-retry error is not started again until what it saw, or a person, changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Engine, text

from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.evidence import digest
from commonweal.lake.candidates import Candidate, read_candidate
from commonweal.lake.releases import Release, current_release, hold_of, is_rolled_back
from commonweal.offsets import Offsets, count, from_json
from commonweal.periods import last_event
from commonweal.ports import code_version
from commonweal.render.suite import suite
from commonweal.settings import ROOT

STATE = text("""
select
    (select coalesce(jsonb_object_agg(topic, offsets), '{}') from landed_offsets where dataset = :dataset) as landed,
    (select count(*) from dismissal where dataset = :dataset) as dismissals,
    (select count(*) from accepted_loss where dataset = :dataset) as losses,
    (select epoch from key_epoch where dataset = :dataset) as key_epoch,
    (select count(*) from attempt where dataset = :dataset and finished_at is not null) as finished
""")
LAST_GATE = text("select * from gate_result where dataset = :dataset order by made_at desc limit 1")
LAST_ATTEMPT = text(
    "select * from attempt where dataset = :dataset and finished_at is not null order by finished_at desc limit 1"
)

FINAL_ERRORS = ("ContractError", "DataLossError")
"""Errors whose cause is in what the attempt saw. A missing right or setting is mended elsewhere, so those are tried again."""


@dataclass(frozen=True)
class State:
    """Where a dataset stands, as the database has it.

    Attributes:
        landed: By topic, landed offsets.
        candidate: The newest candidate, or None.
        gate: The newest gate result's columns, or None.
        release: What people read, or None.
        inputs: By input dataset, the number of its current release, 0 when it has none.
        held: True when a person holds releases back.
        rolled_back: True when the candidate is what a release was that a person went back from.
        dismissals: How many rejections people dismissed.
        losses: How many losses of Kafka people accepted.
        finished: How many attempts ended, whatever their outcome.
        last: The columns of the attempt that ended last, or None.
        code_version: Commit of the code that asks.
        key_epoch: Under which the dataset's landed pseudonyms stand; None where there are none.
    """

    landed: dict[str, Offsets]
    candidate: Candidate | None
    gate: Mapping[str, Any] | None
    release: Release | None
    inputs: dict[str, int]
    held: bool
    rolled_back: bool
    dismissals: int
    losses: int
    finished: int
    last: Mapping[str, Any] | None
    code_version: str
    key_epoch: int | None = None

    def has_todays_keys(self, contract: Contract) -> bool:
        """Whether the candidate's pseudonyms are of the epoch that has landed; a product's are those of its inputs."""
        return contract.kind == "product" or self.candidate is None or self.candidate.key_epoch == self.key_epoch


@dataclass(frozen=True)
class Work:
    """What there is to do for one dataset.

    Attributes:
        dataset: The dataset's id.
        reasons: Why there is work, in words of this module; empty when there is none.
        basis: Digest of all that decided this; a run id holds it, so that a double start is refused.
        finished: How many attempts ended; in the run id too, so that a failed run doesn't block the next.
        blocked: The error of the last attempt when nothing that it saw has changed since, or None.
    """

    dataset: str
    reasons: tuple[str, ...]
    basis: str
    finished: int
    blocked: str | None

    @property
    def is_open(self) -> bool:
        """True when a run should be started."""
        return bool(self.reasons) and self.blocked is None


def read_state(engine: Engine, contract: Contract) -> State:
    """Where the dataset stands now."""
    with database_errors(f"reading the state of {contract.id}"), engine.begin() as connection:
        row = connection.execute(STATE, {"dataset": contract.id}).one()
        gate = connection.execute(LAST_GATE, {"dataset": contract.id}).mappings().first()
        last = connection.execute(LAST_ATTEMPT, {"dataset": contract.id}).mappings().first()
    current = {item.dataset: current_release(engine, item.dataset) for item in contract.inputs}
    return State(
        landed={topic: from_json(offsets) for topic, offsets in row.landed.items()},
        candidate=read_candidate(engine, contract.id),
        gate=dict(gate) if gate else None,
        release=current_release(engine, contract.id),
        inputs={dataset: made.number if made else 0 for dataset, made in current.items()},
        held=hold_of(engine, contract.id) is not None,
        rolled_back=is_rolled_back(engine, contract.id),
        dismissals=row.dismissals,
        losses=row.losses,
        finished=row.finished,
        last=dict(last) if last else None,
        code_version=code_version(ROOT),
        key_epoch=row.key_epoch if contract.has_pseudonyms else None,
    )


def find_work(contract: Contract, state: State, ends: Mapping[str, Offsets], code: str, *, today: date) -> Work:
    """What there is to do for a dataset: pure.

    Args:
        contract: The dataset's contract.
        state: Where it stands.
        ends: By topic, the end offsets that Kafka has; empty for a product.
        code: Digest of the code that makes the dataset's rows.
        today: The day by which declared periods are closed.
    """
    is_source = contract.kind == "source"
    reasons = _source_reasons(contract, state, ends, code) if is_source else _product_reasons(contract, state, code, today)
    reasons += _release_reasons(contract, state)
    basis = basis_of(contract, state, ends, code, today=today)
    blocked = _blocked(state, contract, ends, code, is_growing="landed < end" in reasons, today=today)
    return Work(contract.id, tuple(reasons), basis, state.finished, blocked)


def basis_of(contract: Contract, state: State, ends: Mapping[str, Offsets], code: str, *, today: date) -> str:
    """Digest of everything that decides what there is to do; it changes with the calendar only where a period closes."""
    seen = {
        "ends": ends,
        "landed": state.landed,
        "candidate": state.candidate.number if state.candidate else 0,
        "gate": state.gate["id"] if state.gate else "",
        "release": state.release.number if state.release else 0,
        "inputs": state.inputs,
        "held": [state.held, state.rolled_back],
        "people": [state.dismissals, state.losses],
        "key_epoch": state.key_epoch,
        "contract": contract.digest,
        "suite": suite(contract).digest,
        "code": [code, state.code_version],
        "period": last_event(contract.suppression, today).isoformat() if contract.suppression else "",
    }
    return digest(seen)


def _source_reasons(contract: Contract, state: State, ends: Mapping[str, Offsets], code: str) -> list[str]:
    reasons = []
    if any(count(state.landed.get(topic, {}), end) for topic, end in ends.items()):
        reasons.append("landed < end")
    cleaned = {topic: from_json(offsets) for topic, offsets in state.candidate.offsets.items()} if state.candidate else {}
    if cleaned != state.landed:
        reasons.append("cleaned < landed")
    if state.candidate and state.candidate.contract_digest != f"{contract.digest}:{code}":
        reasons.append("contract or code changed")
    if not state.has_todays_keys(contract):
        reasons.append("keys rotated")
    return reasons


def is_period_closed(contract: Contract, candidate: Candidate, today: date) -> bool:
    """Whether a period was closed, or an announced revision came, since the candidate was made."""
    if contract.suppression is None:
        return False
    through = candidate.closed_through
    return through is None or through < last_event(contract.suppression, today)


def _product_reasons(contract: Contract, state: State, code: str, today: date) -> list[str]:
    if not all(state.inputs.values()):
        return []
    if state.candidate is None:
        return ["not joined"]
    reasons = []
    if any(state.candidate.inputs.get(dataset) != number for dataset, number in state.inputs.items()):
        reasons.append("inputs released")
    if is_period_closed(contract, state.candidate, today):
        reasons.append("period closed")
    if state.candidate.contract_digest != f"{contract.digest}:{code}":
        reasons.append("contract or code changed")
    return reasons


def _release_reasons(contract: Contract, state: State) -> list[str]:
    if state.candidate is None:
        return []
    if not is_gated(contract, state):
        return ["candidate not gated"]
    released = (
        state.release
        and state.release.snapshots == state.candidate.snapshots
        and state.release.offsets == state.candidate.offsets
    )
    if state.gate and state.gate["passed"] and not released and not state.held and not state.rolled_back:
        return ["candidate not released"]
    return []


def is_gated(contract: Contract, state: State) -> bool:
    """Whether the newest candidate has a verdict that still holds; a refusal holds until code or people's decisions change."""
    gate, candidate = state.gate, state.candidate
    if gate is None or candidate is None or gate["candidate_number"] != candidate.number:
        return False
    is_same = gate["dismissals"] == state.dismissals and gate["code_version"] == state.code_version
    return bool(gate["suite_digest"] == suite(contract).digest and (gate["passed"] or is_same))


def _blocked(
    state: State, contract: Contract, ends: Mapping[str, Offsets], code: str, *, is_growing: bool, today: date
) -> str | None:
    """The error that a repetition can't mend, while nothing that the attempt saw has changed; new events are landed still."""
    last = state.last
    if last is None or last["outcome"] != "failed" or last["error"] not in FINAL_ERRORS:
        return None
    if is_growing and last["step"] != "land":
        return None
    seen = basis_of(contract, state, ends if last["step"] == "land" else {}, code, today=today)
    return f"{last['step']}: {last['error']}" if last["basis"] == seen else None
