"""A Spark server that is gone: said soon, and not asked again and again when what was open is closed."""

import socket

import pytest

from commonweal.errors import ConfigError, TransientError
from commonweal.lake import spark
from commonweal.ports import open_ports
from commonweal.steps.run import outside_errors
from tests.faults.proxy import between

pytestmark = pytest.mark.timeout(150)  # by itself Spark's client asks a server that is gone for ten minutes


def never():
    return lambda _: False


def test_a_server_that_is_not_there_is_named(stack, monkeypatch):
    monkeypatch.setattr(spark._await_listener.retry, "stop", lambda _: True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"sc://localhost:{free.getsockname()[1]}"
    with pytest.raises(TransientError, match=f"Spark Connect at {address} is unreachable.*stack status"):
        spark.session(stack.settings.model_copy(update={"spark_remote": address}))


@pytest.mark.parametrize("remote", ["", "sc://localhost", "localhost:15002"])
def test_an_address_that_is_none_is_a_wrong_setting(stack, remote):
    with pytest.raises(ConfigError, match=r"COMMONWEAL_SPARK_REMOTE .*sc://host:port"):
        spark.session(stack.settings.model_copy(update={"spark_remote": remote}))


def test_a_server_that_went_away_ends_the_work_and_what_was_open_closes(stack):
    port = int(stack.settings.spark_remote.rpartition(":")[2])
    with between(port, never) as proxy:
        ports = open_ports(stack.settings.model_copy(update={"spark_remote": f"sc://localhost:{proxy.port}"}))
        assert ports.spark.range(3).count() == 3
    with pytest.raises(TransientError, match="Spark ended with"), outside_errors("counting"):
        ports.spark.range(3).count()
    ports.close()
    assert ports.spark.client.get_retry_policies() == [], "closing asks again and again"
