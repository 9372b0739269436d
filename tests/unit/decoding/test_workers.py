"""Spark's Python workers start by the dozen, and each imports what its function stands beside."""

import subprocess
import sys

import pytest

HEAVY = ("pyiceberg", "sqlalchemy", "kafka", "minio", "structlog")


@pytest.mark.parametrize("module", ["commonweal.decoding.workers", "commonweal.settling"])
def test_a_worker_imports_no_catalog_and_no_client(module):
    look = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    assert found == []
