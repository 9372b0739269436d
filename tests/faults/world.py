"""A source and a product that exist for faults only: copies of real contracts, with topics and tables of their own."""

import importlib
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sqlalchemy import text

from commonweal import bus
from commonweal.apply import apply
from commonweal.contract.model import Contract
from commonweal.contract.soundness import Datasets
from commonweal.database import database_errors, engine, this_day
from commonweal.evidence import Link, first_break
from commonweal.lake.releases import Release, current_release
from commonweal.ports import Ports, open_ports
from commonweal.reading import Request, read
from commonweal.settings import Settings
from commonweal.steps.join import code_digest
from commonweal.steps.land import end_offsets
from commonweal.steps.run import run_with
from commonweal.work import find_work, read_state
from tests.faults.ledger import Current, Ledger, Period, document, headers

DEPARTMENT, PRODUCER = "hotline", "dept-hotline"
LEASE_SECONDS = 5
ORDER = ("land", "clean", "gate", "release", "join", "announce")
BATCH = 60
REASONS = {
    "land": {"landed < end"},
    "clean": {"cleaned < landed", "contract or code changed"},
    "gate": {"candidate not gated"},
    "release": {"candidate not released"},
    "join": {"not joined", "inputs released"},
}
COMMITS = text("select count(*) from commit_record where dataset = :dataset and step = :step")
UNSENT = text("select count(*) from outbox where sent_at is null and dataset = :dataset")
SENT = text("select count(*) from outbox where sent_at is not null and dataset = :dataset")
PASSED = text("select passed, snapshots from gate_result where id = :id")
EXPIRE = text("update lease set expires_at = clock_timestamp() where dataset = :dataset")
LINKS = text("select seq, body, prev_hash, hash from evidence order by seq")


@dataclass(frozen=True)
class World:
    """The datasets under test.

    Attributes:
        ports: The stack as a step sees it.
        source: Takes the numbered events.
        product: Made of the source's releases; None where none is looked at.
        ledger: What the producer knows.
        numbers: Of the events to come.
    """

    ports: Ports
    source: Contract
    product: Contract | None
    ledger: Ledger
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def settings(self) -> Settings:
        return self.ports.settings

    def publish(self, numbers: Iterable[int]) -> None:
        """Send events in this order and wait for each answer."""
        publish(self.settings, self.source, numbers, self.ledger)

    def send(self, events: int = BATCH) -> None:
        """Publish the next events."""
        self.publish(next(self.numbers) for _ in range(events))

    def prepare(self, step: str) -> None:
        """See that the step has work: new events, and the steps before it done."""
        if self.has_work(step):
            return
        self.send()
        for before in ORDER[: ORDER.index(step)]:
            if before != "join":
                self.run(before)

    def of(self, step: str) -> Contract:
        """The dataset that a step works on."""
        return self.product if step == "join" and self.product else self.source

    def has_work(self, step: str) -> bool:
        """Whether the step finds something to do now."""
        contract = self.of(step)
        if step == "announce":
            return self.count(UNSENT, dataset=contract.id) > 0
        ends = end_offsets(contract, self.settings) if contract.kind == "source" else {}
        work = find_work(
            contract, read_state(self.ports.engine, contract), ends, code_digest(contract), today=this_day(self.ports.engine)
        )
        return bool(REASONS[step] & set(work.reasons))

    def run(self, step: str) -> str:
        """Run a step in this process; returns its outcome."""
        return str(run_with(self.ports, step, self.of(step).id)["outcome"])

    def commits(self, step: str) -> int:
        """How many changes of a step were committed; for ``announce`` how many messages are marked as sent."""
        if step == "announce":
            return self.count(SENT, dataset=self.source.id)
        return self.count(COMMITS, dataset=self.of(step).id, step=step)

    def count(self, query: object, **values: str) -> int:
        with self.ports.engine.begin() as connection:
            return int(connection.execute(query, values).scalar_one())

    def let_lease_expire(self, step: str) -> None:
        """Spare the wait for the lease of a run that is dead."""
        with self.ports.engine.begin() as connection:
            connection.execute(EXPIRE, {"dataset": self.of(step).id})

    def released(self) -> Release | None:
        """What people read of the source now."""
        return current_release(self.ports.engine, self.source.id)


def open_world(settings: Settings, folder: Path, name: str) -> World:
    """Copy contracts under names that no earlier run on the same stack has used, and bring the stack in line with them."""
    name = f"{name}_{secrets.token_hex(3)}"
    schemas = with_copies(settings.schemas_dir, folder / "schemas", name)
    own = settings.model_copy(update={"schemas_dir": schemas, "lease_seconds": LEASE_SECONDS})
    source, product = f"{DEPARTMENT}.{name}_requests", f"data_bureau.{name}_issues"
    lend_transform(product)
    apply(own)
    ports = open_ports(own)
    return World(ports, ports.contract(source), ports.contract(product), Ledger())


def with_copies(schemas: Path, folder: Path, name: str) -> Path:
    """All contracts, and a copy each of the hotline's and of the product that is made of it."""
    shutil.copytree(schemas, folder)
    _copy_source(schemas, folder, name)
    product = (folder / "data_bureau" / "community_issues.yaml").read_text(encoding="utf-8")
    product = product.replace("community_issues", f"{name}_issues")
    product = product.replace("dataset: hotline.service_request", f"dataset: hotline.{name}_requests")
    (folder / "data_bureau" / f"{name}_issues.yaml").write_text(product, encoding="utf-8")
    return folder


def alone(schemas: Path, folder: Path, name: str) -> Path:
    """A copy of the hotline's contract and no other, for a stack of its own."""
    (folder / "hotline").mkdir(parents=True)
    for path in schemas.glob("_*.yaml"):
        shutil.copy(path, folder)
    _copy_source(schemas, folder, name)
    return folder


def _copy_source(schemas: Path, folder: Path, name: str) -> None:
    """The hotline's contract under another name; a release may grow as it likes, since faults decide what it holds."""
    text = (schemas / "hotline" / "service_request.yaml").read_text(encoding="utf-8")
    text = text.replace("service_request", f"{name}_requests").replace("maxRowsChange: 0.5", "maxRowsChange: 1000000")
    (folder / "hotline" / f"{name}_requests.yaml").write_text(text, encoding="utf-8")


def lend_transform(dataset: str) -> None:
    """Give a copy of the product the transform of the original: a copied contract has no module of its own."""
    sys.modules[f"jobs.{dataset}"] = importlib.import_module("jobs.data_bureau.community_issues")


def publish(settings: Settings, contract: Contract, numbers: Iterable[int], ledger: Ledger) -> None:
    """Send events in this order, and write down what the broker said of each; after one that can't be sent, none is tried.

    Raises:
        CommonwealError: There is no connection; what had been sent by then is in the ledger.
    """
    from kafka.errors import KafkaError

    with bus.producer(settings, PRODUCER, delivery_timeout_ms=20_000, request_timeout_ms=8_000) as producer:
        answers = {}
        for number in numbers:
            try:
                key = headers(number, contract)[1][1]
                answers[number] = producer.send(
                    contract.topic, key=key, value=document(number), headers=headers(number, contract)
                )
            except KafkaError:
                ledger.note(number, "failed")
                break
        for number, answer in answers.items():
            try:
                answer.get(timeout=30)
                ledger.note(number, "acknowledged")
            except KafkaError:
                ledger.note(number, "unknown")
                bus.abandon(producer)  # else it would wait at its end for a broker that may never come back


def read_release(settings: Settings, contract: Contract, number: int) -> tuple[list[Current], list[Period]]:
    """Both tables of one release, as a person reads them."""
    rows, datasets = {}, Datasets({contract.id: contract})
    for table in contract.tables:
        asked = Request(contract.id, "service_improvement", "engineer", release=number, table=table)
        rows[table] = [row for batch in read(asked, settings, datasets).batches for row in batch.to_pylist()]
    current = [Current(row["case_no"], int(row["sub_category"])) for row in rows["current"]]
    return current, [Period(row["case_no"], int(row["sub_category"]), row["_valid_to"]) for row in rows["history"]]


def passed_its_gate(settings: Settings, release: Release) -> bool:
    """Whether the gate passed exactly the snapshots that the release shows."""
    with database_errors("reading a verdict"), engine(settings, "pipeline").begin() as connection:
        row = connection.execute(PASSED, {"id": release.gate_id}).first()
    return row is not None and row.passed and row.snapshots == release.snapshots


def evidence_break(settings: Settings) -> int | None:
    """The first broken link of the evidence, or None."""
    with database_errors("reading the evidence"), engine(settings, "auditor").begin() as connection:
        rows = connection.execute(LINKS).all()
    assert rows, "no evidence: this check looked at nothing"
    return first_break(Link(row.seq, row.body, bytes(row.prev_hash), bytes(row.hash)) for row in rows)


def announcements(settings: Settings, dataset: str) -> list[int]:
    """The sequence numbers that subscribers were told of a dataset, in their order, repeated ones too."""
    import json

    from kafka import TopicPartition

    from commonweal.render.access import RELEASES_TOPIC

    with bus.consumer(settings, PRODUCER, group_id=f"{DEPARTMENT}.faults", auto_offset_reset="earliest") as consumer:
        parts = [TopicPartition(RELEASES_TOPIC, number) for number in consumer.partitions_for_topic(RELEASES_TOPIC)]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends, told = consumer.end_offsets(parts), []
        while any(consumer.position(part) < end for part, end in ends.items()):
            for records in consumer.poll(timeout_ms=500).values():
                told += [json.loads(item.value)["dataset_seq"] for item in records if item.key == dataset.encode()]
    return told
