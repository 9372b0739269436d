"""Contracts to Airflow DAGs. Airflow starts, retries, times and shows the steps; it decides nothing.

The only module that imports Airflow. Parsing a DAG file imports contracts and this module; what a step needs (Spark, Great
Expectations, Kafka) is imported when its task runs.
"""

import importlib
import importlib.util
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetAny,
    BaseOperator,
    Context,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    TriggerRule,
    chain,
)
from airflow.sdk.exceptions import AirflowSkipException

from commonweal.contract.finding import Finding
from commonweal.contract.loader import load_contract
from commonweal.contract.soundness import Datasets
from commonweal.errors import CommonwealError, ContractError
from commonweal.render.dag import BROKEN_TITLE, DagPlan, TaskPlan, asset_uri, broken_text, dag_plans
from commonweal.settings import load_settings

MAINTENANCE_ID = "commonweal.maintenance"  # the DAG, and the module with what its tasks do
MAINTENANCE = {
    "compact": "Join small files; the content stays the same, and that is checked",
    "audit": "Check every rule on every row of what people read",
    "expire": "Let go what no contract keeps any longer",
    "janitor": "Remove what attempts that lost have left behind",
}
NIGHTLY = CronTriggerTimetable("0 2 * * *", timezone="Asia/Shanghai")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CHATTY = ("great_expectations", "kafka", "pyiceberg", "urllib3")
NAME = re.compile(r"[a-z][a-z0-9_./:-]{0,299}")


def retry_policy() -> ExceptionRetryPolicy:
    """What Airflow does after each error, from the error tree; what is not of the tree is tried again a few times.

    Subclasses come before their parents, since the first rule that matches decides.
    """
    return ExceptionRetryPolicy(rules=[_rule(error) for error in _deepest_first(CommonwealError)])


def names_and_counts(result: Mapping[str, object]) -> dict[str, int | str]:
    """The result of a step as far as every viewer of Airflow may see it: names and counts.

    Raises:
        ContractError: A value is neither a count nor a name, so it might be a row's.
    """
    for key, value in result.items():
        if not (isinstance(value, int) or (isinstance(value, str) and NAME.fullmatch(value))):
            raise ContractError(f"result {key!r} of a step is neither a name nor a count; it is not shown; mend the step")
    return {key: value for key, value in result.items() if isinstance(value, int | str)}


def quiet_libraries() -> None:
    """Keep from a task's log what libraries say of each of their connections, so that people find what the step says."""
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


class Step(BaseOperator):
    """One step of one dataset."""

    ui_color = "#e8f1f8"

    def __init__(self, *, dataset: str, step: str, **options: Any) -> None:  # noqa: ANN401 - Airflow's own options
        super().__init__(**options)
        self.dataset = dataset
        self.step = step

    def execute(self, context: Context) -> dict[str, int | str]:
        """Run the step; nothing to do shows as skipped, and starts no dataset downstream."""
        from commonweal.steps.run import run_step

        quiet_libraries()
        result = names_and_counts(run_step(self.step, self.dataset, load_settings(), run_id=context["run_id"]))
        if result.get("outcome") == "nothing":
            raise AirflowSkipException(f"{self.dataset}: {self.step} had nothing to do")
        return result


class ContractCheck(BaseOperator):
    """In place of a dataset's steps while its contract is wrong: says what is."""

    ui_color = "#f8e1e1"

    def __init__(self, *, dataset: str, **options: Any) -> None:  # noqa: ANN401 - Airflow's own options
        super().__init__(**options)
        self.dataset = dataset

    def execute(self, context: Context) -> None:  # noqa: ARG002 - Airflow's signature
        """Read the contract; fails with every problem of it."""
        load_contract(load_settings().schemas_dir, self.dataset)


class Maintenance(BaseOperator):
    """One nightly task over all datasets."""

    ui_color = "#f3efe4"

    def execute(self, context: Context) -> dict[str, int | str]:  # noqa: ARG002 - Airflow's signature
        """Run the task that bears this name."""
        maintenance = importlib.import_module(MAINTENANCE_ID)
        return names_and_counts(maintenance.run(self.task_id, load_settings()))


def dags(datasets: Datasets) -> Iterator[DAG]:
    """One DAG per dataset, also of one whose contract is wrong, and the maintenance DAG."""
    for plan in dag_plans(datasets.contracts.values()):
        yield dataset_dag(plan)
    for dataset, findings in datasets.broken.items():
        yield broken_dag(dataset, findings)
    if importlib.util.find_spec(MAINTENANCE_ID):
        yield maintenance_dag()


def dataset_dag(plan: DagPlan) -> DAG:
    """The DAG of one dataset: its steps, one after the other, one run at a time."""
    dag = DAG(
        dag_id=plan.id,
        description=plan.title,
        doc_md=plan.text,
        schedule=AssetAny(*(asset(dataset) for dataset in plan.inputs)) if plan.inputs else None,
        start_date=BEGIN,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=list(plan.tags),
        default_args=_retries(plan.retries, plan.retry_seconds, plan.longest_retry_seconds, plan.timeout_seconds),
    )
    chain(*(_step(dag, plan, task) for task in plan.tasks))
    return dag


def broken_dag(dataset: str, findings: Iterable[Finding]) -> DAG:
    """The DAG of a dataset whose contract is wrong: nothing starts it, and it says what to mend.

    An error while the file is parsed would take every other dataset's DAG away.
    """
    text = broken_text(findings)
    dag = DAG(
        dag_id=dataset,
        description=BROKEN_TITLE,
        doc_md=text,
        schedule=None,
        start_date=BEGIN,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["contract is wrong", dataset.partition(".")[0]],
        default_args={"retries": 0, "execution_timeout": timedelta(minutes=5)},
    )
    ContractCheck(dag=dag, dataset=dataset, task_id="contract", task_display_name=BROKEN_TITLE, doc_md=text)
    return dag


def maintenance_dag() -> DAG:
    """The nightly DAG that keeps storage small and audits everything anew."""
    dag = DAG(
        dag_id=MAINTENANCE_ID,
        description="Expiry, compaction, janitor, full audit · 维护",
        schedule=NIGHTLY,
        start_date=BEGIN,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["maintenance"],
        default_args=_retries(2, 60, 600, 4 * 3600),
    )
    # A task that fails keeps none of the others from their work.
    chain(
        *(
            Maintenance(task_id=name, doc_md=text, trigger_rule=TriggerRule.ALL_DONE, dag=dag)
            for name, text in MAINTENANCE.items()
        )
    )
    return dag


def asset(dataset: str) -> Asset:
    """The asset that stands for a dataset's releases."""
    return Asset(name=dataset, uri=asset_uri(dataset))


def _step(dag: DAG, plan: DagPlan, task: TaskPlan) -> Step:
    return Step(
        dag=dag,
        dataset=plan.id,
        step=task.step,
        task_id=task.step,
        task_display_name=task.title,
        doc_md=task.text,
        # A step with nothing to do is skipped; the next may still have work that an earlier run left.
        trigger_rule=TriggerRule.NONE_FAILED,
        outlets=[asset(plan.outlet)] if task is plan.tasks[-1] else [],
    )


def _retries(retries: int, first: int, longest: int, timeout: int) -> dict[str, Any]:
    return {
        "retries": retries,
        "retry_delay": timedelta(seconds=first),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(seconds=longest),
        "execution_timeout": timedelta(seconds=timeout),
        "retry_policy": retry_policy(),
    }


def _rule(error: type[CommonwealError]) -> RetryRule:
    action = RetryAction.RETRY if error.retryable else RetryAction.FAIL
    return RetryRule(exception=error, action=action, reason=(error.__doc__ or "").splitlines()[0])


def _deepest_first(error: type[CommonwealError]) -> Iterable[type[CommonwealError]]:
    for child in error.__subclasses__():
        yield from _deepest_first(child)
    yield error
