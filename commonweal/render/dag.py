"""The plan of a dataset's DAG: what Airflow shows and times, as values that know nothing of Airflow."""

from collections.abc import Iterable
from dataclasses import dataclass

from commonweal.contract.finding import Finding
from commonweal.contract.model import Contract, Text

SOURCE_STEPS = ("land", "clean", "gate", "release")
PRODUCT_STEPS = ("join", "gate", "release")
RETRIES = 5
RETRY_SECONDS = 5
LONGEST_RETRY_SECONDS = 600

STEPS = {
    "land": Text(en="Take new events from Kafka, keep or reject each with its reasons", zh="入湖"),
    "clean": Text(en="Work out each record's present state and its history", zh="清洗"),
    "join": Text(en="Make this dataset from the released versions of its inputs", zh="关联"),
    "gate": Text(en="Check every rule of the contract; a failure refuses the release", zh="质量门"),
    "release": Text(en="Make the checked version the one that people read", zh="发布"),
}

TEXT = """\
**{title.en}** · {title.zh}

{description.en}

{description.zh}

Made from the contract `schemas/{department}/{name}.yaml`, version {version}. A pink task had nothing to do. A red `gate` refused
the release: its log ends with the address of the report; readers keep the release they had. 粉色表示无事可做；`gate` 为红色表示
未通过质量门，日志末尾有报告地址，原有发布不受影响。
"""

BROKEN_TITLE = "Contract is wrong · 契约有误"
BROKEN_TEXT = """\
**The contract of this dataset is wrong, so no step of it is run; people keep the release they have.** Mend what follows
(`commonweal contract lint`); the steps then come back by themselves, and `watch` takes up what has arrived meanwhile.

该数据集的契约有误，暂停运行，原有发布不受影响。请改正下列各项（`commonweal contract lint`），改正后自动恢复，
期间到达的数据随后补上。

"""


@dataclass(frozen=True)
class TaskPlan:
    """One task: a step of the dataset.

    Attributes:
        step: Name of the step, and the task's id.
        title: What the graph shows, in English and Chinese.
        text: What the step does, in a sentence.
    """

    step: str
    title: str
    text: str


@dataclass(frozen=True)
class DagPlan:
    """One dataset's DAG.

    Attributes:
        id: The dataset's id, and the DAG's.
        title: What lists show.
        text: Markdown for people who open the DAG.
        tags: Department, kind and the contract's own tags, sorted.
        tasks: Each runs after the one before it.
        inputs: Ids of datasets; a release of any of them starts a run. Empty for a source, which ``watch`` starts.
        outlet: Id of the dataset that the last task releases.
        retries: How often a step is tried again after an error that may pass.
        retry_seconds: Delay before the first retry; it doubles.
        longest_retry_seconds: The delay grows no further.
        timeout_seconds: A step that runs longer is stopped and tried again.
    """

    id: str
    title: str
    text: str
    tags: tuple[str, ...]
    tasks: tuple[TaskPlan, ...]
    inputs: tuple[str, ...]
    outlet: str
    retries: int
    retry_seconds: int
    longest_retry_seconds: int
    timeout_seconds: int


def asset_uri(dataset: str) -> str:
    """Address of a dataset's asset: ``commonweal://<department>/<dataset>``."""
    department, name = dataset.split(".")
    return f"commonweal://{department}/{name}"


def dag_plan(contract: Contract) -> DagPlan:
    """The plan of a contract's DAG.

    The promised freshness bounds the waits: a retry waits at most a quarter of it, and a step may take four times as long.
    """
    freshness = contract.freshness_minutes * 60
    return DagPlan(
        id=contract.id,
        title=f"{contract.title.en} · {contract.title.zh}",
        text=_text(contract),
        tags=tuple(sorted({contract.department, contract.kind, *contract.tags})),
        tasks=tuple(_task(step) for step in (SOURCE_STEPS if contract.kind == "source" else PRODUCT_STEPS)),
        inputs=tuple(dict.fromkeys(item.dataset for item in contract.inputs)),
        outlet=contract.id,
        retries=RETRIES,
        retry_seconds=RETRY_SECONDS,
        longest_retry_seconds=max(RETRY_SECONDS, min(LONGEST_RETRY_SECONDS, freshness // 4)),
        timeout_seconds=max(3600, 4 * freshness),
    )


def dag_plans(contracts: Iterable[Contract]) -> tuple[DagPlan, ...]:
    """The plans of all contracts, sorted by id."""
    return tuple(dag_plan(contract) for contract in sorted(contracts, key=lambda item: item.id))


def broken_text(findings: Iterable[Finding]) -> str:
    """Markdown that says what is wrong with a contract; what a file says of itself is shown as it stands, not as Markdown."""
    return BROKEN_TEXT + "\n".join(f"    {' '.join(str(finding).split())}" for finding in findings)


def _task(step: str) -> TaskPlan:
    return TaskPlan(step=step, title=f"{step} · {STEPS[step].zh}", text=STEPS[step].en)


def _text(contract: Contract) -> str:
    return TEXT.format(
        title=contract.title,
        description=contract.description,
        department=contract.department,
        name=contract.name,
        version=contract.version,
    )
