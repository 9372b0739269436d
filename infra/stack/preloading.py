"""Loading packages in a process that is forked from: its forks have them too, in memory that they share."""

import gc
import importlib
from collections.abc import Iterable


def preload(packages: Iterable[str]) -> None:
    """Load packages, and keep the garbage collector from touching, and so copying, what forks share.

    Args:
        packages: Names of modules of other people's: what is the platform's own would be yesterday's in a fork after a change.
    """
    for name in packages:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
