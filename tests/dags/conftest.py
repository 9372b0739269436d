"""Airflow for the DAG tests: a folder and a database of their own, set before Airflow is first imported."""

import os
import tempfile

HOME = tempfile.mkdtemp(prefix="commonweal-dags-")
os.environ.setdefault("AIRFLOW_HOME", HOME)
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
os.environ.setdefault("AIRFLOW__CORE__UNIT_TEST_MODE", "False")
