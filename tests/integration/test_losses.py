"""Events that Kafka lost before they were landed: landing stops, a person accepts, the accounting adds up again."""

import io
import secrets
from datetime import UTC, datetime

import orjson
import pytest
from kafka.structs import TopicPartition
from sqlalchemy import text

from commonweal import bus
from commonweal.apply import apply
from commonweal.cli import main
from commonweal.database import this_day
from commonweal.errors import AccessDeniedError, ConfigError, DataLossError
from commonweal.gate.measure import Counting
from commonweal.lake import lease as leases
from commonweal.lake.candidates import read_candidate
from commonweal.lake.catalog import head
from commonweal.lake.names import MAIN, landing_table
from commonweal.losses import accept, find_losses
from commonweal.people import Person
from commonweal.steps.clean import clean
from commonweal.steps.join import code_digest
from commonweal.steps.land import _batches, _land_batch, end_offsets, land, landed_offsets
from commonweal.work import find_work, read_state
from tests.integration.copies import copied_contracts
from tests.integration.histories import Sent

NAME = f"loss_{secrets.token_hex(4)}"
ENGINEER = Person("engineer", None)
ACCEPTED = text("select partition, start_offset, end_offset, person, reason from accepted_loss where dataset = :dataset")
EVIDENCE = text("""
select count(*) from evidence where dataset = :dataset and action = 'loss_accepted' and actor = 'engineer'
and cast(body as jsonb) -> 'details' ->> 'reason' = 'the disk was full'
""")


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    with copied_contracts(stack.settings, tmp_path_factory.mktemp("contracts") / "schemas", NAME) as opened:
        yield opened


@pytest.fixture
def contract(ports):
    return ports.contract(f"hotline.{NAME}")


def send(ports, contract, numbers: range) -> None:
    """Into partition 0 only, so that each offset is known."""
    with bus.producer(ports.settings, "dept-hotline") as producer:
        for number in numbers:
            document = {"case_no": f"NYCC{number:08d}", "office_code": "NYCC01", "opened_on": "2024-01-05"}
            event = Sent(f"event-{number}", "recorded", None, datetime(2024, 2, 1, tzinfo=UTC), document)
            value = orjson.dumps(document)
            producer.send(contract.topic, key=b"k", value=value, headers=event.headers(contract), partition=0)
        producer.flush()


def lose(ports, contract, before: int) -> None:
    with bus.admin(ports.settings, "admin") as admin:
        admin.delete_records({TopicPartition(contract.topic, 0): before})


def landed(ports, contract) -> dict[str, int]:
    with leases.held(ports.engine, contract.id, "test", seconds=60) as lease:
        return land(contract, ports, lease)


def accept_all(ports, contract, person=ENGINEER) -> int:
    found = find_losses(contract, ports)
    with leases.held(ports.engine, contract.id, "test", seconds=60) as lease:
        return accept(contract, ports, lease, person, found, reason="the disk was full")


def work(ports, contract) -> tuple[str, ...]:
    state = read_state(ports.engine, contract)
    return find_work(
        contract, state, end_offsets(contract, ports.settings), code_digest(contract), today=this_day(ports.engine)
    ).reasons


def test_nothing_lost_is_nothing_to_accept(ports, contract):
    assert find_losses(contract, ports) == ()
    with (
        leases.held(ports.engine, contract.id, "test", seconds=60) as lease,
        pytest.raises(ConfigError, match="nothing was accept"),
    ):
        accept(contract, ports, lease, ENGINEER, (), reason="none")


def test_lost_prefix_stops_landing_until_a_person_accepts_it(ports, contract):
    send(ports, contract, range(10))
    lose(ports, contract, before=4)
    with pytest.raises(DataLossError, match="loss accept"):
        landed(ports, contract)
    with pytest.raises(AccessDeniedError):
        accept_all(ports, contract, Person("dept_justice", "justice"))
    assert [(loss.partition, loss.start, loss.end) for loss in find_losses(contract, ports)] == [(0, 0, 4)]
    assert accept_all(ports, contract) == 4
    assert landed(ports, contract)["accepted"] == 6
    assert find_losses(contract, ports) == ()


def commanded(ports, contract, monkeypatch, *options: str) -> int:
    monkeypatch.setenv("COMMONWEAL_RUN_DIR", str(ports.settings.run_dir))
    monkeypatch.setenv("COMMONWEAL_SCHEMAS_DIR", str(ports.settings.schemas_dir))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    with pytest.raises(SystemExit) as ended:
        main(["loss", "accept", contract.id, "--reason", "the disk was full", *options])
    return int(ended.value.code or 0)


def test_loss_in_the_middle_with_nothing_behind_it_leaves_no_work(ports, contract, monkeypatch, capsys):
    send(ports, contract, range(10, 15))
    lose(ports, contract, before=15)
    assert "landed < end" in work(ports, contract)
    assert commanded(ports, contract, monkeypatch) == 1
    assert "landed < end" in work(ports, contract)
    assert commanded(ports, contract, monkeypatch, "--yes") == 0
    assert "5 offsets accepted as lost" in capsys.readouterr().out
    assert "landed < end" not in work(ports, contract)
    send(ports, contract, range(15, 18))
    assert landed(ports, contract)["accepted"] == 3


def test_loss_is_in_table_and_evidence_with_person_and_reason(ports, contract):
    with ports.engine.begin() as connection:
        rows = sorted(tuple(row) for row in connection.execute(ACCEPTED, {"dataset": contract.id}))
        assert connection.execute(EVIDENCE, {"dataset": contract.id}).scalar_one() == 2
    assert rows == [(0, 0, 4, "engineer", "the disk was full"), (0, 10, 15, "engineer", "the disk was full")]


def test_offsets_add_up_without_what_was_lost(ports, contract):
    with leases.held(ports.engine, contract.id, "test", seconds=60) as lease:
        clean(contract, ports, lease)
    counted = Counting(contract, read_candidate(ports.engine, contract.id), None, ports.spark, ports.engine).accounting()
    assert counted.offsets_add_up
    assert (counted.offsets, counted.landed, counted.live) == (9, 9, 9)


def test_topic_made_anew_while_a_batch_is_read_lands_nothing(ports, contract):
    send(ports, contract, range(18, 20))
    (batch,) = _batches(contract, ports, contract.topic)
    lost = max(batch.end.values())
    with bus.admin(ports.settings, "admin") as admin:
        admin.delete_topics([contract.topic])
    apply(ports.settings, only=("kafka",))
    send(ports, contract, range(lost + 5))
    main = head(ports.lake, landing_table(contract), MAIN)
    with leases.held(ports.engine, contract.id, "test", seconds=60) as lease, pytest.raises(DataLossError, match="made anew"):
        _land_batch(contract, ports, lease, batch)
    assert head(ports.lake, landing_table(contract), MAIN) == main
    assert landed_offsets(contract, ports, contract.topic, batch.topic_id) == batch.start


def test_topic_made_anew_is_refused_with_what_to_do(ports, contract):
    with bus.admin(ports.settings, "admin") as admin:
        admin.delete_topics([contract.topic])
    apply(ports.settings, only=("kafka",))
    with pytest.raises(DataLossError, match="made anew"):
        landed(ports, contract)
    with pytest.raises(ConfigError, match="major version to 2.0.0"):
        find_losses(contract, ports)
