"""Names: what an id may look like, and that the path is the id."""

import re

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
DATASET_ID = re.compile(rf"{NAME.pattern}\.{NAME.pattern}")
RESERVED = frozenset({"landing", "history", "commonweal", "platform"})
METADATA_TABLES = frozenset({
    "all_data_files", "all_delete_files", "all_entries", "all_files", "all_manifests", "data_files", "delete_files", "entries",
    "files", "history", "manifests", "metadata_log_entries", "partitions", "position_deletes", "refs", "snapshots",
})  # fmt: skip
"""What Iceberg calls the tables that it shows of every table (``MetadataTableType`` of Iceberg 1.12): ``<table>.snapshots``."""
SELECTOR = re.compile(r"(branch|tag)_.*|(snapshot_id|at_timestamp)_[0-9]+|changes|rewrite")
"""How Iceberg's Spark catalog names a part of a table (``SparkCatalog`` of Iceberg 1.12): ``<table>.branch_candidate``."""


def is_reserved(dataset: str) -> bool:
    """Whether a dataset's own name could be taken for a part of a table that is called like its department.

    To be safe: a catalog that keeps loaded tables, as ours doesn't, may look for such a part first.

    >>> is_reserved("snapshots"), is_reserved("tag_register"), is_reserved("service_request")
    (True, True, False)
    """
    return dataset in METADATA_TABLES or SELECTOR.fullmatch(dataset) is not None


def contract_file(dataset: str) -> str:
    """Path of a dataset's contract under the schemas folder.

    >>> contract_file("hotline.service_request")
    'hotline/service_request.yaml'
    """
    return dataset.replace(".", "/") + ".yaml"


def dataset_of(file: str) -> str:
    """The id that a contract file's path stands for.

    >>> dataset_of("hotline/service_request.yaml")
    'hotline.service_request'
    """
    return file.removesuffix(".yaml").replace("/", ".")
