"""Datasets of a module's own, with a ledger of what was sent to them."""

from collections.abc import Iterator

import pytest

from tests.faults import world


@pytest.fixture(scope="module")
def here(stack, tmp_path_factory, request) -> Iterator[world.World]:
    """A source and a product that only this module knows."""
    name = request.module.__name__.rpartition("test_")[2]
    made = world.open_world(stack.settings, tmp_path_factory.mktemp(name), name)
    yield made
    made.ports.close()
