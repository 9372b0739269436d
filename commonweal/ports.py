"""What a step needs of the world: contracts, database, catalog, Spark, clock. Made once per process, handed to every step."""

import os
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from commonweal.contract.finding import Finding
from commonweal.contract.loader import load_datasets
from commonweal.contract.model import Contract
from commonweal.contract.soundness import Datasets
from commonweal.settings import ROOT, Settings

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyspark.sql import SparkSession
    from sqlalchemy import Engine

PROGRAM = "pipeline"
"""The identity under which steps speak to database and object store."""


@dataclass(frozen=True)
class Ports:
    """The outside world as a step sees it; connections are opened when first used.

    Attributes:
        contracts: The contracts in order, by id.
        broken: By dataset, what is wrong with the others; none of them is gone.
    """

    settings: Settings
    contracts: Mapping[str, Contract]
    code_version: str
    broken: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)

    @cached_property
    def engine(self) -> "Engine":
        """PostgreSQL as the pipeline."""
        from commonweal.database import engine

        return engine(self.settings, PROGRAM)

    @cached_property
    def lake(self) -> "SqlCatalog":
        """The lake's catalog as the pipeline.

        Raises:
            ConfigError: This machine's clock is too far from the database's.
        """
        from commonweal.lake.catalog import catalog
        from commonweal.lake.clocks import refuse_own_time

        refuse_own_time(self.engine)
        return catalog(self.settings, PROGRAM)

    @cached_property
    def spark(self) -> "SparkSession":
        """A session of its own on the Spark Connect server.

        Raises:
            ConfigError: The server's clock is too far from the database's.
        """
        from commonweal.lake.clocks import refuse_other_time
        from commonweal.lake.spark import clock, end, session

        opened = session(self.settings)
        with ExitStack() as undo:
            undo.callback(end, opened)
            refuse_other_time(self.engine, "the Spark Connect server", lambda: clock(opened))
            undo.pop_all()
        return opened

    def close(self) -> None:
        """End the Spark session, if one was opened: left to the garbage collector it may block another session's query."""
        if "spark" in self.__dict__:
            from commonweal.lake.spark import end

            end(self.spark)

    def contract(self, dataset: str) -> Contract:
        """The contract of a dataset.

        Raises:
            ContractError: There is no such dataset, or its contract is broken.
        """
        return Datasets(self.contracts, self.broken).contract(dataset)


def open_ports(settings: Settings) -> Ports:
    """The world as the settings describe it."""
    found = load_datasets(settings.schemas_dir)
    return Ports(settings, found.contracts, code_version(ROOT), found.broken)


@lru_cache(maxsize=1)
def code_version(folder: Path) -> str:
    """The commit of the code that runs: ``COMMONWEAL_CODE_VERSION``, else git's, marked when files were changed since."""
    given = os.environ.get("COMMONWEAL_CODE_VERSION")
    if given:
        return given
    try:
        asked = ["git", "-C", str(folder), "describe", "--always", "--dirty=+changed", "--abbrev=12", "--exclude=*"]
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
