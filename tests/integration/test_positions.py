"""A topic that begins where another one ended: no offset is used again."""

import secrets

import pytest

from commonweal import bus
from commonweal.bus.positions import begin_at
from commonweal.errors import ConflictError


@pytest.fixture
def topic(stack):
    name = f"commonweal.positions_{secrets.token_hex(4)}"
    with bus.admin(stack.settings, "admin") as client:
        client.create_topics({name: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
        yield name
        client.delete_topics([name])


def test_the_next_record_gets_the_offset_that_was_asked_for(stack, topic):
    with bus.admin(stack.settings, "admin") as client:
        begin_at(stack.settings, client, topic, {0: 5, 1: 0})
        assert bus.beginning_offsets(client, [topic])[topic] == {0: 5, 1: 0}
        with bus.producer(stack.settings, "admin") as producer:
            sent = [producer.send(topic, value=b"{}", partition=partition).get(30).offset for partition in (0, 1)]
        assert sent == [5, 0]
        with pytest.raises(ConflictError, match="holds records already"):
            begin_at(stack.settings, client, topic, {0: 9})
