"""The DAG file against the contracts: every dataset has its DAG, the file is light, and errors lead where the tree says."""

import dataclasses
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, AssetAny, RetryAction
from airflow.serialization.serialized_objects import DagSerialization

from commonweal import errors, orchestration
from commonweal.contract.loader import load_contracts
from commonweal.contract.model import Contract
from commonweal.render.dag import dag_plan
from commonweal.settings import ROOT

CONTRACTS = load_contracts(ROOT / "schemas")
HEAVY = ("pyspark", "great_expectations", "pandas", "pyarrow", "pyiceberg", "kafka", "duckdb", "datacontract")
FAIL = ("ConfigError", "ContractError", "GateClosedError", "AccessDeniedError", "DataLossError", "FencedError", "CommonwealError")
RETRY = ("TransientError", "ConflictError")


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(dag_folder=str(ROOT / "dags"))


@pytest.fixture(scope="module")
def dags(bag: DagBag) -> Iterator[dict[str, DAG]]:
    assert len(bag.dags) > 0
    return bag.dags


def test_there_are_contracts() -> None:
    assert len(CONTRACTS) > 0


def test_no_import_errors(bag: DagBag) -> None:
    assert bag.import_errors == {}


def test_dag_ids_are_the_contract_ids(dags: dict[str, DAG]) -> None:
    maintenance = {orchestration.MAINTENANCE_ID} if importlib.util.find_spec(orchestration.MAINTENANCE_ID) else set()
    assert set(dags) == set(CONTRACTS) | maintenance


def test_the_dag_file_has_the_words_that_airflow_looks_for() -> None:
    files = list((ROOT / "dags").glob("*.py"))
    assert len(files) == 1
    words = files[0].read_bytes().lower()
    assert b"dag" in words
    assert b"airflow" in words


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_steps_run_one_after_the_other(contract: Contract, dags: dict[str, DAG]) -> None:
    order = ["land", "clean", "gate", "release"] if contract.kind == "source" else ["join", "gate", "release"]
    dag = dags[contract.id]
    assert [task.task_id for task in dag.topological_sort()] == order
    assert [task.downstream_task_ids for task in dag.topological_sort()] == [{step} for step in order[1:]] + [set()]
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert not dag.is_paused_upon_creation


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_only_the_release_makes_the_asset(contract: Contract, dags: dict[str, DAG]) -> None:
    outlets = {task.task_id: [(asset.name, asset.uri) for asset in task.outlets] for task in dags[contract.id].tasks}
    assert outlets.pop("release") == [(contract.id, f"commonweal://{contract.department}/{contract.name}")]
    assert set(map(tuple, outlets.values())) == {()}


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_product_starts_when_any_input_is_released(contract: Contract, dags: dict[str, DAG]) -> None:
    condition = getattr(dags[contract.id].timetable, "asset_condition", None)
    if contract.kind == "source":
        assert not condition
        return
    assert isinstance(condition, AssetAny)
    assert {asset.name for asset in condition.objects} == {item.dataset for item in contract.inputs}


@pytest.fixture
def broken_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The contracts, of which the hotline's says something in a text that Markdown and HTML would take for markup."""
    schemas = tmp_path / "schemas"
    shutil.copytree(ROOT / "schemas", schemas)
    path = schemas / "hotline" / "service_request.yaml"
    path.write_text(path.read_text().replace("logicalType: date", "logicalType: '**bold** <script>\\n```'", 1))
    monkeypatch.setenv("COMMONWEAL_SCHEMAS_DIR", str(schemas))
    return schemas


@pytest.mark.usefixtures("broken_schemas")
def test_a_broken_contract_keeps_the_others_dags_and_says_what_is_wrong() -> None:
    found = DagBag(dag_folder=str(ROOT / "dags"))
    assert found.import_errors == {}
    broken = {"hotline.service_request", "data_bureau.community_issues"}
    assert {name for name, dag in found.dags.items() if "contract is wrong" in dag.tags} == broken
    assert set(found.dags) == {*CONTRACTS, orchestration.MAINTENANCE_ID}
    for name in broken:
        dag = found.dags[name]
        assert [task.task_id for task in dag.tasks] == ["contract"]
        assert not getattr(dag.timetable, "asset_condition", None)
        assert json.dumps(DagSerialization.to_dict(dag))
    text = found.dags["hotline.service_request"].doc_md
    (said,) = [line for line in text.splitlines() if "odcs_enum" in line]
    assert said.startswith("    hotline/service_request.yaml: schema.0.properties.2")
    assert "<script>" not in "".join(line for line in text.splitlines() if not line.startswith("    "))


def test_the_task_of_a_broken_contract_fails_with_what_is_wrong(broken_schemas: Path) -> None:
    (task,) = DagBag(dag_folder=str(ROOT / "dags")).dags["hotline.service_request"].tasks
    with pytest.raises(errors.ContractError, match="odcs_enum"):
        task.execute({})
    shutil.copytree(ROOT / "schemas", broken_schemas, dirs_exist_ok=True)
    task.execute({})


def test_any_of_several_inputs_starts_a_run() -> None:
    plan = dataclasses.replace(
        dag_plan(next(iter(CONTRACTS.values()))), id="bureau.digest", inputs=("office.paper", "office.pen")
    )
    condition = orchestration.dataset_dag(plan).timetable.asset_condition
    assert isinstance(condition, AssetAny)
    assert {(asset.name, asset.uri) for asset in condition.objects} == {
        ("office.paper", "commonweal://office/paper"),
        ("office.pen", "commonweal://office/pen"),
    }


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_every_task_is_bounded_and_explained(contract: Contract, dags: dict[str, DAG]) -> None:
    dag = dags[contract.id]
    assert contract.title.en in dag.doc_md
    assert contract.title.zh in dag.doc_md
    for task in dag.tasks:
        assert task.execution_timeout.total_seconds() >= 3600
        assert task.retries > 0
        assert task.retry_exponential_backoff == 2
        assert task.doc_md
        assert task.trigger_rule == "none_failed"


def test_nightly_maintenance_does_each_task_whatever_the_one_before_it_met() -> None:
    dag = orchestration.maintenance_dag()
    assert [task.task_id for task in dag.topological_sort()] == ["compact", "audit", "expire", "janitor"]
    assert {task.trigger_rule for task in dag.tasks} == {"all_done"}
    assert json.dumps(DagSerialization.to_dict(dag))


def test_the_dags_survive_serialisation(dags: dict[str, DAG]) -> None:
    for dag in dags.values():
        assert json.dumps(DagSerialization.to_dict(dag))


def test_every_error_of_the_tree_has_its_action() -> None:
    policy = orchestration.retry_policy()
    actions = {RetryAction.FAIL: FAIL, RetryAction.RETRY: RETRY}
    for action, names in actions.items():
        for name in names:
            assert policy.evaluate(getattr(errors, name)("x"), 1, 5).action is action, name
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert classes == {*FAIL, *RETRY}


def test_the_policy_is_the_same_after_serialisation() -> None:
    policy = type(orchestration.retry_policy()).deserialize(orchestration.retry_policy().serialize())
    assert policy.evaluate(errors.FencedError("x"), 1, 5).action is RetryAction.FAIL
    assert policy.evaluate(errors.ConflictError("x"), 1, 5).action is RetryAction.RETRY


def test_an_error_from_outside_the_tree_is_tried_again_as_the_task_says() -> None:
    assert orchestration.retry_policy().evaluate(ValueError("x"), 1, 5).action is RetryAction.DEFAULT


def test_counts_and_names_are_shown() -> None:
    result = {"outcome": "done", "landed": 3, "report": "reports/hotline.service_request/1f0e.html"}
    assert orchestration.names_and_counts(result) == result


@pytest.mark.parametrize("value", ["99010219800101123X", "张三", "Zhang San", 1.5, None, ["a"], {"a": 1}, "2026-01-01", ""])
def test_what_may_be_a_row_is_not_shown(value: object) -> None:
    with pytest.raises(errors.ContractError) as raised:
        orchestration.names_and_counts({"outcome": value})
    assert not value or str(value) not in str(raised.value)


def test_the_dag_file_imports_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import json, runpy, sys
import airflow.sdk, airflow.dag_processing.dagbag
before = set(sys.modules)
found = runpy.run_path({str(ROOT / "dags" / "commonweal_datasets.py")!r})
print(json.dumps([sorted(set(sys.modules) - before), sum(isinstance(value, airflow.sdk.DAG) for value in found.values())]))
"""
    environment = {"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    modules, count = json.loads(done.stdout.splitlines()[-1])
    assert count > 0
    assert [module for module in modules if module.split(".")[0] in HEAVY] == []
