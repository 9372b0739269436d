"""The cluster profile: the main job comes to its end while a broker, a worker and a drive are lost in the middle of it."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from commonweal import bus
from commonweal.errors import ConfigError
from commonweal.lake.releases import current_release
from infra.demo.story import CASES, HOTLINE
from infra.demo.town import REGISTER
from infra.stack import processes, supervision
from infra.stack.bring_up import bring_up
from infra.stack.layout import Layout
from infra.stack.ports import kept_ports
from infra.stack.services import registry
from infra.stack.services.minio import drives
from tests import main_job
from tests.conftest import board, temporary_run_dir
from tests.faults import world

SIZE = main_job.Size(residents=500, requests=40_000)
"""Few people, and as many months of requests as it takes before there is open data."""
pytestmark = pytest.mark.timeout(1800)  # the whole job, on one machine with all the processes of a cluster

KILLED = ("kafka-2", "spark-worker-1", "spark-master")


@pytest.fixture(scope="module")
def run_dir() -> Iterator[Path]:
    with temporary_run_dir() as made:
        yield made


def layout(run_dir: Path) -> Layout:
    return Layout(run_dir, kept_ports(run_dir / "ports.json"))


@pytest.fixture(scope="module")
def told(run_dir, tmp_path_factory) -> Iterator[main_job.Told]:
    settings = bring_up(run_dir, {}, board(), "cluster")

    def lose_one_of_each(_: object) -> None:
        found = supervision.states(run_dir)
        drive = drives(layout(run_dir))[-1]
        assert psutil.Process(found["spark-worker-1"].pid).children(), "it has no executor: its loss would show nothing"
        for service in KILLED:
            os.kill(found[service].pid, signal.SIGKILL)
        drive.rename(drive.with_name("lost"))

    with main_job.told(settings, tmp_path_factory.mktemp("town"), SIZE, lose_one_of_each) as found:
        yield found


def test_every_topic_is_kept_by_three_brokers(told):
    with bus.admin(told.ports.settings, "admin") as client:
        topics = client.describe_topics([told.ports.contract(dataset).topic for dataset in (HOTLINE, CASES, REGISTER)])
    kept = [len(part["replica_nodes"]) for topic in topics for part in topic["partitions"]]
    assert kept
    assert set(kept) == {3}


@pytest.mark.parametrize("dataset", [REGISTER, CASES])
def test_people_read_every_key_of_the_ledger_and_no_other(told, dataset):
    key = told.ports.contract(dataset).key_columns[0]
    read = [row[key] for row in main_job.rows_of(told, dataset)]
    assert len(read) == len(set(read)) == told.town.keys(dataset)


def test_what_was_sent_was_accepted_once(told):
    assert current_release(told.ports.engine, HOTLINE).counts["accepted"] == told.outcomes["requests.csv"].sent
    assert world.evidence_break(told.ports.settings) is None


def test_findings_are_those_of_the_ledger(told):
    rows = main_job.rows_of(told, "data_bureau.benefit_integrity")
    assert {(row["rule_code"], row["case_no"], row["other_record_no"]) for row in rows} == {*map(tuple, told.town.findings[1])}


def test_all_was_lost_in_the_middle_and_is_back_but_for_the_drive(told, run_dir):
    log = (run_dir / "logs" / "supervisor.log").read_text()
    assert all(f"exited: {service} (terminated by SIGKILL" in log for service in KILLED)
    assert all(state.state in ("RUNNING", "EXITED") for state in supervision.states(run_dir).values())
    assert (run_dir / "data" / "minio" / "lost").is_dir()


def test_everything_listens_on_loopback_only_and_no_secret_is_in_an_argument_list(told, run_dir):
    here = layout(run_dir)
    members = processes.leftovers(run_dir, [supervision.SUPERVISOR, *registry.services(here.profile)])
    secrets = [path.read_text() for path in here.secrets.iterdir()]
    sockets, words = [], []
    for process in members:
        with suppress(psutil.NoSuchProcess):  # a worker that ended meanwhile
            sockets += process.net_connections("inet")
            words.append(" ".join(process.cmdline()))
    listening = {(socket.laddr.ip, socket.laddr.port) for socket in sockets if socket.status == psutil.CONN_LISTEN}
    assert {port for _, port in listening} >= set(here.ports.values())
    assert {ip for ip, _ in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert any("CoarseGrainedExecutorBackend" in line for line in words)
    assert not any(secret in line for line in words for secret in secrets)


def test_no_client_of_spark_can_read_a_secret(told, run_dir):
    session, here = told.ports.spark, layout(run_dir)
    shown = str(session.conf.getAll) + str(session.sql("SET -v").collect()) + str(session.sql("SET").collect())
    assert f"127.0.0.1:{here.ports['postgres']}" in shown, "the settings are what was read"
    assert [path.name for path in here.secrets.iterdir() if path.read_text() in shown] == []


def test_a_folder_stays_of_its_profile(told, run_dir):
    with pytest.raises(ConfigError, match="is of profile cluster"):
        bring_up(run_dir, {}, board(), "local")
