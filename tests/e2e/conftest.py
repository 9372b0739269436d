"""The main job, once, on the running stack: what an invented town and a part of the real export come to."""

from collections.abc import Iterator

import pytest

from tests import main_job

SIZE = main_job.Size(residents=800, requests=40_000)
"""Enough for a few months of open data: a month is published when a later one has begun."""


@pytest.fixture(scope="session")
def told(whole_stack, tmp_path_factory) -> Iterator[main_job.Told]:
    """Everything published, refused, repaired and released, by watch and Airflow and nobody else."""
    with main_job.told(whole_stack.settings, tmp_path_factory.mktemp("town"), SIZE) as found:
        yield found
