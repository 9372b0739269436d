"""A contract that breaks on a running stack: its dataset stands still, the others go on, and nothing is taken away."""

import secrets
import shutil
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from commonweal import bus
from commonweal.apply import apply
from commonweal.errors import ContractError
from commonweal.lake.catalog import load
from commonweal.lake.names import released_tables
from commonweal.lake.releases import current_release, write_release
from commonweal.maintenance.expire import expire
from commonweal.ports import Ports, open_ports
from commonweal.steps.run import run_with, steps_of
from streams.watch import opened
from tests.integration.histories import Sent

NAME = f"broken_{secrets.token_hex(4)}"
SOURCE, PRODUCT = f"hotline.{NAME}", f"data_bureau.{NAME}"
RELEASES = 3
ATTEMPTS = text("select count(*) from attempt where dataset = :dataset")


@pytest.fixture(scope="module")
def schemas(stack, tmp_path_factory):
    """A copy of the hotline's contract with releases, and one of a product made from it that cites the first of them."""
    folder = tmp_path_factory.mktemp("contracts") / "schemas"
    shutil.copytree(stack.settings.schemas_dir, folder)
    source = (folder / "hotline" / "service_request.yaml").read_text("utf-8").replace("service_request", NAME)
    (folder / "hotline" / f"{NAME}.yaml").write_text(source.replace("maxRowsChange: 0.5", "maxRowsChange: 9"), "utf-8")
    product = (folder / "data_bureau" / "community_issues.yaml").read_text("utf-8").replace("community_issues", NAME)
    (folder / "data_bureau" / f"{NAME}.yaml").write_text(product.replace("hotline.service_request", SOURCE), "utf-8")
    settings = stack.settings.model_copy(update={"schemas_dir": folder})
    apply(settings)
    ports = open_ports(settings)
    for number in range(RELEASES):
        release(ports, number)
    made = current_release(ports.engine, SOURCE)
    texts = {"contract_version": "1.0.0", "contract_digest": "", "suite_digest": "", "code_version": "", "quality_digest": ""}
    cited = type(made)(PRODUCT, 1, made.commit_id, made.gate_id, {"current": 1}, {"current": 1}, {}, {}, {SOURCE: 1}, **texts)
    with ports.engine.begin() as connection:
        write_release(connection, cited)
    ports.close()
    return folder


@pytest.fixture
def broken(stack, schemas):
    """The settings and ports of a program that starts while the product's contract is broken."""
    path = schemas / "data_bureau" / f"{NAME}.yaml"
    whole = path.read_text("utf-8")
    path.write_text(whole.replace("schema:", "schema: ["), "utf-8")
    ports = open_ports(stack.settings.model_copy(update={"schemas_dir": schemas}))
    yield ports
    path.write_text(whole, "utf-8")
    ports.close()


def release(ports: Ports, number: int) -> None:
    contract = ports.contract(SOURCE)
    document = {"case_no": f"NYCC{number:08d}", "office_code": "NYCC01", "category": "Water", "opened_on": "2024-01-05"}
    event = Sent(f"event-{number}", "recorded", None, datetime(2024, 2, 1, tzinfo=UTC), document)
    with bus.producer(ports.settings, "dept-hotline") as producer:
        producer.send(contract.topic, key=b"k", value=orjson.dumps(document), headers=event.headers(contract))
        producer.flush()
    for step in steps_of(contract):
        run_with(ports, step, SOURCE)


def kept(ports: Ports) -> set[str]:
    table = released_tables(ports.contract(SOURCE))["current"]
    return {ref for ref in load(ports.lake, table).metadata.refs if ref.startswith("rel_")}


def attempts(ports: Ports) -> int:
    with ports.engine.begin() as connection:
        return int(connection.execute(ATTEMPTS, {"dataset": PRODUCT}).scalar_one())


def test_its_own_steps_are_refused_and_leave_no_attempt_that_blocks(broken):
    for step in ("join", "gate", "release"):
        with pytest.raises(ContractError, match=rf"data_bureau/{NAME}\.yaml"):
            run_with(broken, step, PRODUCT)
    assert attempts(broken) == 0


def test_others_go_on(broken):
    release(broken, RELEASES)
    assert current_release(broken.engine, SOURCE).number == RELEASES + 1


def test_apply_refuses_and_takes_nothing_away(broken):
    with pytest.raises(ContractError, match="yaml_syntax"):
        apply(broken.settings, plan=True)
    with pytest.raises(ContractError, match="yaml_syntax"):
        apply(broken.settings)


@pytest.mark.usefixtures("whole_stack")
def test_watch_says_so_and_goes_on(broken):
    with opened(broken.settings) as look, capture_logs() as logs:
        assert isinstance(look(), tuple)
    said = [entry for entry in logs if entry["event"] == "contract_broken"]
    assert [entry["dataset"] for entry in said] == [PRODUCT]
    assert all("yaml_syntax" in problem for entry in said for problem in entry["problems"])


def test_no_release_that_a_broken_product_stands_on_is_let_go(broken, schemas):
    contract, later = broken.contract(SOURCE), datetime.now(UTC) + timedelta(days=11)
    before = kept(broken)
    assert {"rel_1", "rel_2", f"rel_{RELEASES + 1}"} <= before
    assert expire(broken, [contract], now=later)["releases"] > 0
    assert kept(broken) == {"rel_1", f"rel_{RELEASES + 1}"}
    (schemas / "data_bureau" / f"{NAME}.yaml").rename(schemas / "gone")
    gone = open_ports(broken.settings)
    assert expire(gone, [contract], now=later)["releases"] == 1
    assert kept(gone) == {f"rel_{RELEASES + 1}"}
    gone.close()
