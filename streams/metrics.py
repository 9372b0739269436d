"""The platform's metrics, as Prometheus' families: what the database knows, and what ``watch`` saw of Kafka.

Labels are datasets, steps, outcomes and one hash; never a value of a row, never anything of a person.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from commonweal.contract.model import Contract
from commonweal.health import Health, StepHealth
from commonweal.overview import DatasetStatus

DATASET = ("dataset",)
STEP = ("dataset", "step")
Rows = Iterable[tuple[Sequence[str], float]]


def gauge(name: str, what: str, rows: Rows, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    """A family of gauges.

    Args:
        name: Without the platform's prefix.
        what: Its line of help.
        rows: By label values, the number.
        labels: Names of the labels.
    """
    family = GaugeMetricFamily(f"commonweal_{name}", what, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def of_platform(health: Health, now: float) -> Iterator[Metric]:
    """What is not about one dataset's state: verdicts, attempts, announcements, evidence.

    Args:
        health: As read from the database.
        now: Seconds since 1970.
    """
    verdicts = CounterMetricFamily("commonweal_gate_results", "Verdicts of the gate.", labels=("dataset", "outcome"))
    for item in health.gates:
        verdicts.add_metric((item.dataset, "passed" if item.passed else "refused"), item.count)
    yield verdicts
    yield from _of_steps(health.steps)
    yield gauge("outbox_unsent", "Announcements that wait to be sent.", [((), health.unsent)])
    waits = now - health.oldest_unsent.timestamp() if health.oldest_unsent else 0.0
    yield gauge("outbox_oldest_unsent_seconds", "How long the oldest of them has waited; 0: none waits.", [((), max(0.0, waits))])
    yield gauge("evidence_head_seq", "Entries in the evidence log; it only grows.", [((), health.head_seq)])
    # Kept by whoever scrapes, the hash is a witness outside the platform: see `commonweal evidence verify --head`.
    yield InfoMetricFamily("commonweal_evidence_head", "Hash of the log's last entry.", value={"hash": health.head_hash})


def of_datasets(contracts: Mapping[str, Contract], statuses: Sequence[DatasetStatus], now: float) -> Iterator[Metric]:
    """Where each dataset stands, as far as the database alone knows it."""
    promises = [((item.id,), item.freshness_minutes * 60.0) for item in contracts.values()]
    limits = [((item.id,), item.limits.max_share_rejected) for item in contracts.values() if item.kind == "source"]
    waits = [((item.dataset,), _age(item.waiting_since, now)) for item in statuses]
    released = [((item.dataset,), item.released_at.timestamp()) for item in statuses if item.released_at]
    shares = [((item.dataset,), item.rejected_share) for item in statuses if item.rejected_share is not None]
    refused = [((item.dataset,), float(item.gate == "refused")) for item in statuses]
    numbers = [((item.dataset,), float(item.release or 0)) for item in statuses]
    held = [((item.dataset,), float(item.held)) for item in statuses]
    for name, what, rows in (
        ("dataset_waiting_seconds", "Age of the oldest landed events that are in no release; 0: none wait.", waits),
        ("dataset_promised_seconds", "Within so long the contract promises events in a release.", promises),
        ("dataset_release_number", "The release that people read; 0: none yet.", numbers),
        ("dataset_release_timestamp_seconds", "When it was released.", released),
        ("dataset_rejected_share", "Share of events since the last release that are rejected and open.", shares),
        ("dataset_rejected_share_limit", "The share from which the gate refuses.", limits),
        ("dataset_refused", "1 while the gate's last verdict is a refusal.", refused),
        ("dataset_held", "1 while a person holds releases back.", held),
    ):
        yield gauge(name, what, rows, DATASET)


def of_contracts(contracts: Collection[str], broken: Collection[str]) -> Metric:
    """Which contracts are broken; their datasets are in no other metric, so that their alerts seem resolved."""
    rows = [*(((name,), 0.0) for name in contracts), *(((name,), 1.0) for name in broken)]
    return gauge("dataset_contract_broken", "1 while the dataset's contract is broken.", rows, DATASET)


def of_work(statuses: Sequence[DatasetStatus]) -> Iterator[Metric]:
    """What takes Kafka's end offsets too."""
    lags = [((item.dataset,), float(item.lag)) for item in statuses if item.lag is not None]
    yield gauge("dataset_lag_records", "Records in Kafka that are not landed.", lags, DATASET)
    has_work = [((item.dataset,), float(item.work.is_open)) for item in statuses]
    yield gauge("dataset_has_work", "1 while there is work that a run can do.", has_work, DATASET)
    blocked = [((item.dataset,), float(item.work.blocked is not None)) for item in statuses]
    yield gauge("dataset_blocked", "1 while the last attempt's error is one that a repetition can't mend.", blocked, DATASET)


def _of_steps(steps: Sequence[StepHealth]) -> Iterator[Metric]:
    ended = [((item.dataset, item.step), item.succeeded_at.timestamp()) for item in steps if item.succeeded_at]
    yield gauge("step_last_success_timestamp_seconds", "When the step last did what it should.", ended, STEP)
    lasted = [((item.dataset, item.step), item.seconds) for item in steps if item.seconds is not None]
    yield gauge("step_last_success_duration_seconds", "How long that took.", lasted, STEP)
    failures = CounterMetricFamily("commonweal_step_failures", "Attempts that ended in an error.", labels=STEP)
    for item in steps:
        failures.add_metric((item.dataset, item.step), item.failures)
    yield failures


def _age(moment: datetime | None, now: float) -> float:
    return max(0.0, now - moment.timestamp()) if moment else 0.0
