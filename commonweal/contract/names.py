"""Names: what an id may look like, and that the path is the id."""

import re

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
DATASET_ID = re.compile(rf"{NAME.pattern}\.{NAME.pattern}")
RESERVED = frozenset({"landing", "history", "commonweal", "platform"})


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
