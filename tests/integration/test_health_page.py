"""The page of metrics that the stack's watch serves."""

import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from commonweal.contract.loader import load_contracts
from commonweal.database import engine
from commonweal.health import read_health
from infra.stack.ports import kept_ports
from infra.stack.status import rows
from streams.health_page import STALE_SECONDS, Seen, application

pytestmark = pytest.mark.usefixtures("whole_stack")


def asked(stack, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.settings.metrics_port}{path}", timeout=30) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def families(stack):
    deadline = time.monotonic() + 180
    while True:
        found = {family.name: family for family in text_string_to_metric_families(asked(stack, "/metrics"))}
        if "commonweal_dataset_lag_records" in found or time.monotonic() > deadline:
            return found
        time.sleep(1)


def datasets(family) -> set[str]:
    return {sample.labels["dataset"] for sample in family.samples}


def test_every_dataset_is_on_the_page(stack, families):
    contracts = load_contracts(stack.settings.schemas_dir)
    assert contracts
    assert datasets(families["commonweal_dataset_promised_seconds"]) == set(contracts)
    assert datasets(families["commonweal_dataset_waiting_seconds"]) == set(contracts)
    sources = {name for name, contract in contracts.items() if contract.kind == "source"}
    assert datasets(families["commonweal_dataset_lag_records"]) == sources


def test_watch_and_its_database_are_well(stack, families):
    assert [sample.value for sample in families["commonweal_database_up"].samples] == [1]
    assert [sample.value > 0 for sample in families["commonweal_watch_last_look_timestamp_seconds"].samples] == [True]
    assert asked(stack, "/healthz") == "ok\n"


def test_the_head_of_the_evidence_is_the_one_in_the_database(stack):
    page = {family.name: family for family in text_string_to_metric_families(asked(stack, "/metrics"))}
    seq = [sample.value for sample in page["commonweal_evidence_head_seq"].samples]
    assert [read_health(engine(stack.settings, "pipeline")).head_seq >= value for value in seq] == [True]
    assert seq == [0] or len(page["commonweal_evidence_head_info"].samples[0].labels["hash"]) == 64


def test_what_was_not_seen_lately_or_at_all_is_left_out(stack):
    contracts = load_contracts(stack.settings.schemas_dir)
    source = next(contract for contract in contracts.values() if contract.kind == "source")
    ends = {source.topic: {0: 5}, source.repair_topic: {0: 0}}
    seen = Seen(contracts, ends, looked_at=1000.0)
    fresh, stale = (page(stack, seen, now=1000.0 + late) for late in (STALE_SECONDS, STALE_SECONDS + 1))
    assert datasets(fresh["commonweal_dataset_lag_records"]) == {source.id}
    assert "commonweal_dataset_lag_records" not in stale
    assert datasets(stale["commonweal_dataset_waiting_seconds"]) == set(contracts)


def page(stack, seen: Seen, now: float) -> dict:
    answer = application(stack.settings, seen, lambda: now)({"PATH_INFO": "/metrics", "REQUEST_METHOD": "GET"}, lambda *_: None)
    return {family.name: family for family in text_string_to_metric_families(b"".join(answer).decode())}


def test_labels_are_few_and_never_a_value(families):
    allowed = {"dataset", "step", "outcome", "hash", "version"}
    assert {name for family in families.values() for sample in family.samples for name in sample.labels} <= allowed


def test_nothing_else_is_served(stack):
    with pytest.raises(urllib.error.HTTPError) as refused:
        asked(stack, "/")
    assert refused.value.code == 404


def test_stack_status_shows_the_port(stack):
    shown = {row.service: row.port for row in rows(stack.run_dir)}
    assert shown["watch"] == kept_ports(stack.run_dir / "ports.json")["metrics"] == stack.settings.metrics_port
