"""The airflow dag of every dataset: one loop over the contracts, and nothing else."""

from commonweal.contract.loader import load_datasets
from commonweal.orchestration import dags
from commonweal.settings import load_settings

for dag in dags(load_datasets(load_settings().schemas_dir)):
    globals()[dag.dag_id] = dag
