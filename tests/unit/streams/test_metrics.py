"""The page of metrics: what it says of numbers that are known, and what it leaves out when they are not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from commonweal.contract.loader import load_contracts
from commonweal.health import GateCount, Health, StepHealth
from commonweal.overview import DatasetStatus
from commonweal.settings import ROOT, Settings
from commonweal.work import Work
from streams.health_page import STALE_SECONDS, Seen, application, served
from streams.metrics import of_contracts, of_datasets, of_platform, of_work
from tests.unit.statuses import FRESH

CONTRACTS = load_contracts(ROOT / "schemas")
SOURCE, PRODUCT = "civil_affairs.assistance_case", "data_bureau.community_issues"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
STATUSES = (
    DatasetStatus(
        dataset=SOURCE,
        lag=7,
        landed_at=NOW,
        gate="refused",
        gated_at=NOW,
        release=3,
        rows=10,
        released_at=NOW - timedelta(hours=2),
        held=True,
        rolled_back=False,
        work=Work(SOURCE, ("landed < end",), "", 0, None),
        is_late=True,
        waiting_since=NOW - timedelta(minutes=90),
        rejected_share=0.25,
    ),
    replace(FRESH, dataset=PRODUCT, lag=None, work=Work(PRODUCT, ("not joined",), "", 0, "join: ContractError")),
)
HEALTH = Health(
    gates=(GateCount(SOURCE, passed=True, count=3), GateCount(SOURCE, passed=False, count=2)),
    steps=(StepHealth(SOURCE, "land", NOW, 4.5, 1), StepHealth(SOURCE, "gate", None, None, 2)),
    unsent=2,
    oldest_unsent=NOW - timedelta(seconds=30),
    head_seq=41,
    head_hash="ab" * 32,
)


class Fixed(Collector):
    def __init__(self, *families):
        self._families = families

    def collect(self):
        return self._families


@pytest.fixture(scope="module")
def samples() -> dict[tuple, float]:
    now = NOW.timestamp()
    registry = CollectorRegistry()
    registry.register(
        Fixed(
            *of_platform(HEALTH, now),
            *of_datasets(CONTRACTS, STATUSES, now),
            of_contracts(CONTRACTS, ["a.broken"]),
            *of_work(STATUSES),
        )
    )
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    return {(item.name, *item.labels.values()): item.value for family in families for item in family.samples}


def test_numbers_of_a_dataset(samples):
    promised = CONTRACTS[SOURCE].freshness_minutes * 60
    limit = CONTRACTS[SOURCE].limits.max_share_rejected
    wanted = {
        "lag_records": 7,
        "waiting_seconds": 90 * 60,
        "promised_seconds": promised,
        "release_number": 3,
        "release_timestamp_seconds": (NOW - timedelta(hours=2)).timestamp(),
        "rejected_share": 0.25,
        "rejected_share_limit": limit,
        "refused": 1,
        "held": 1,
        "has_work": 1,
        "blocked": 0,
    }
    assert {name: samples["commonweal_dataset_" + name, SOURCE] for name in wanted} == wanted


def test_a_broken_contract_is_told(samples):
    assert samples["commonweal_dataset_contract_broken", "a.broken"] == 1
    assert samples["commonweal_dataset_contract_broken", SOURCE] == 0


def test_what_is_not_known_is_left_out_and_not_zero(samples):
    for name in ("lag_records", "release_timestamp_seconds", "rejected_share"):
        assert ("commonweal_dataset_" + name, PRODUCT) not in samples
    assert ("commonweal_step_last_success_timestamp_seconds", SOURCE, "gate") not in samples
    assert samples["commonweal_dataset_blocked", PRODUCT] == 1
    assert samples["commonweal_dataset_has_work", PRODUCT] == 0


def test_labels_are_few_and_never_a_text():
    labels = {name for family in of_platform(HEALTH, NOW.timestamp()) for sample in family.samples for name in sample.labels}
    assert labels <= {"dataset", "step", "outcome", "hash"}


def test_numbers_of_the_platform(samples):
    assert samples["commonweal_gate_results_total", SOURCE, "refused"] == 2
    assert samples["commonweal_step_failures_total", SOURCE, "gate"] == 2
    assert samples["commonweal_step_last_success_duration_seconds", SOURCE, "land"] == 4.5
    assert samples["commonweal_outbox_unsent",] == 2
    assert samples["commonweal_outbox_oldest_unsent_seconds",] == 30
    assert samples["commonweal_evidence_head_seq",] == 41
    assert samples["commonweal_evidence_head_info", "ab" * 32] == 1


def asked(settings: Settings, seen: Seen, path: str, now: float = 0.0) -> tuple[str, str]:
    heard: list[str] = []
    answer = application(settings, seen, lambda: now)
    body = answer({"PATH_INFO": path, "REQUEST_METHOD": "GET"}, lambda status, headers: heard.append(status))
    return heard[0].split()[0], b"".join(body).decode()


def test_without_a_database_the_page_says_so(tmp_path):
    settings = Settings(run_dir=tmp_path, secrets_dir=tmp_path / "secrets")
    status, page = asked(settings, Seen(looked_at=5.0), "/metrics")
    assert status == "200"
    values = {item.name: item.value for family in text_string_to_metric_families(page) for item in family.samples}
    assert values["commonweal_database_up"] == 0
    assert values["commonweal_watch_last_look_timestamp_seconds"] == 5.0
    assert set(values) == {"commonweal_build_info", "commonweal_database_up", "commonweal_watch_last_look_timestamp_seconds"}


def test_healthz_is_about_the_last_look(tmp_path):
    settings, seen = Settings(run_dir=tmp_path), Seen(looked_at=1000.0)
    assert asked(settings, seen, "/healthz", now=1000.0 + STALE_SECONDS)[0] == "200"
    assert asked(settings, seen, "/healthz", now=1001.0 + STALE_SECONDS)[0] == "503"
    assert asked(settings, seen, "/anything")[0] == "404"


def test_without_a_port_nothing_is_served_and_a_taken_one_stops_nothing(tmp_path):
    with served(Settings(run_dir=tmp_path), Seen()) as page:
        assert page == ""
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with served(Settings(run_dir=tmp_path, metrics_port=other.getsockname()[1]), Seen()) as page:
            assert page == ""
