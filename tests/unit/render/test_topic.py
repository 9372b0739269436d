"""Topics and the settings that landing relies on."""

import pytest

from commonweal.contract.loader import load_contract
from commonweal.render.topic import MAX_MESSAGE_BYTES, repair_topic, topic
from commonweal.settings import ROOT


@pytest.fixture(scope="module")
def contract():
    return load_contract(ROOT / "schemas", "civil_affairs.assistance_case")


def test_names(contract):
    assert (topic(contract).name, topic(contract).partitions) == ("civil_affairs.assistance_case.v1", 2)
    assert (repair_topic(contract).name, repair_topic(contract).partitions) == (
        "commonweal.repair.civil_affairs.assistance_case.v1",
        1,
    )


@pytest.mark.parametrize("render", [topic, repair_topic])
def test_settings(contract, render):
    settings = render(contract).settings
    assert settings["cleanup.policy"] == "delete"
    assert settings["message.timestamp.type"] == "LogAppendTime"
    assert settings["retention.ms"] == str(30 * 86_400_000)
    assert (settings["compression.type"], settings["max.message.bytes"]) == ("uncompressed", str(MAX_MESSAGE_BYTES))
    assert all(isinstance(value, str) for value in settings.values())


def test_a_new_major_version_is_another_topic(contract):
    assert topic(contract.model_copy(update={"version": "2.1.0"})).name == "civil_affairs.assistance_case.v2"
