"""The server acted and its answer was lost: COMMIT, PutObject, Produce. The step ends as if nothing had been, or says so."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from commonweal.settings import Settings
from tests.faults import child, world
from tests.faults.driver import EXPECTED, STEPS
from tests.faults.ledger import compare
from tests.faults.proxy import Proxy, between, commits, large, led_to, lossy, puts

RETRYABLE = 20
SPARKS_STORE = "spark.sql.catalog.lake.s3.endpoint"


@pytest.mark.parametrize("step", STEPS)
def test_answer_to_commit_lost(here, tmp_path: Path, step: str):
    """It was committed: the step finds that by reading, and ends well, having changed things once."""
    here.prepare(step)
    before = here.commits(step)
    with between(here.settings.database_port, commits) as proxy:
        proxy.armed = 1
        settings = here.settings.model_copy(update={"database_host": "127.0.0.1", "database_port": proxy.port})
        assert child.end_of(child.Order(step, here.source.id, settings, tmp_path / "log")) == 0, (tmp_path / "log").read_text()
        assert proxy.dropped == 1
    assert here.commits(step) == before + 1
    assert here.run(step) == "nothing"


@pytest.mark.parametrize(("step", "bucket"), [("gate", "reports"), ("release", "lakehouse")])
def test_answer_to_put_object_lost(here, tmp_path: Path, step: str, bucket: str):
    """The object is there; written again it is the same. The step ends well, or is run again."""
    here.prepare(step)
    before, port = here.commits(step), int(here.settings.s3_endpoint.rsplit(":", 1)[1])
    with between(port, puts(bucket)) as proxy:
        proxy.armed = 1
        settings = here.settings.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{proxy.port}"})
        assert child.end_of(child.Order(step, here.source.id, settings, tmp_path / "log")) in (0, RETRYABLE)
        assert proxy.dropped == 1
    here.run(step)
    assert here.commits(step) == before + 1


@pytest.mark.parametrize("step", ["land", "clean"])
def test_answer_to_put_object_of_spark_lost(here, tmp_path: Path, step: str):
    """The same of the objects that Spark writes by itself."""
    here.prepare(step)
    before, port = here.commits(step), int(here.settings.s3_endpoint.rsplit(":", 1)[1])
    with between(port, puts("lakehouse")) as proxy:
        proxy.armed = 1
        led = {SPARKS_STORE: f"http://127.0.0.1:{proxy.port}"}
        order = child.Order(step, here.source.id, here.settings, tmp_path / "log", spark=led)
        assert child.end_of(order) in (0, RETRYABLE)
        assert proxy.dropped == 1
    here.run(step)
    assert here.commits(step) == before + 1


def test_answer_to_produce_lost(here):
    """The producer sends the batch again, and the broker knows it by its number: each event stands there once."""
    port = int(here.settings.kafka_bootstrap.rsplit(":", 1)[1])
    with between(port, large(4_000)) as proxy, led_to(proxy):
        proxy.armed = 1
        here.send(200)
        assert proxy.dropped == 1
    assert not here.ledger.unknown
    for step in STEPS:
        here.run(step)
    release = here.released()
    assert release.counts["accepted"] == len(here.ledger.acknowledged)
    assert not compare(*world.read_release(here.settings, here.source, release.number), here.ledger)


@contextmanager
def bad_line(settings: Settings, to: str) -> Iterator[tuple[Proxy, Settings, Mapping[str, str]]]:
    """A slow and lossy line to a server; with the settings of a step, and of its Spark session, that lead over it."""
    port = settings.database_port if to == "database" else int(settings.s3_endpoint.rsplit(":", 1)[1])
    with between(port, lossy(Random(20_261_126), 0.004)) as proxy:
        proxy.armed, proxy.delay = 1_000_000, 0.01
        if to == "database":
            yield proxy, settings.model_copy(update={"database_host": "127.0.0.1", "database_port": proxy.port}), {}
        else:
            store = f"http://127.0.0.1:{proxy.port}"
            yield proxy, settings.model_copy(update={"s3_endpoint": store}), {SPARKS_STORE: store}


@pytest.mark.parametrize("server", ["database", "store"])
def test_over_a_slow_and_lossy_line_every_step_comes_to_its_end(here, tmp_path: Path, server: str):
    """Any answer may be lost: a step names no wrong cause, and run until it ends well it has changed things once."""
    with bad_line(here.settings, server) as (proxy, settings, spark):
        for step in STEPS:
            here.prepare(step)
            before = here.commits(step)
            order = child.Order(step, here.source.id, settings, tmp_path / "log", spark=spark)
            tries = [child.end_of(order)]
            while tries[-1]:
                here.let_lease_expire(step)
                tries.append(child.end_of(order))
                assert len(tries) < 25, tries
            assert set(tries) <= EXPECTED, (step, tries, (tmp_path / "log").read_text())
            assert here.commits(step) == before + 1
        assert proxy.dropped >= 1
    release = here.released()
    assert not compare(*world.read_release(here.settings, here.source, release.number), here.ledger)


def test_the_evidence_is_unbroken(here):
    assert world.evidence_break(here.settings) is None
