"""Names of tables, branches and tags: derived from the dataset's id, never looked up."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from commonweal.contract.model import Contract, TableName
from commonweal.settings import Settings

CATALOG = "lake"
MAIN = "main"
CANDIDATE = "candidate"


@dataclass(frozen=True, order=True)
class TableId:
    """A table of the lake: its namespace and name, ``("history", "hotline", "service_request")``."""

    parts: tuple[str, ...]

    @property
    def sql(self) -> str:
        """The name that Spark SQL takes."""
        return ".".join((CATALOG, *self.parts))

    def branch(self, branch: str) -> str:
        """The name that Spark SQL takes to read or write a branch."""
        return f"{self.sql}.branch_{branch}"

    @property
    def namespace(self) -> str:
        """Namespace as the SQL catalog stores it."""
        return ".".join(self.parts[:-1])

    @property
    def name(self) -> str:
        """Name within the namespace."""
        return self.parts[-1]


def landing_table(contract: Contract) -> TableId:
    """Where the dataset's events land."""
    return TableId(("landing", contract.department, contract.name))


def released_table(contract: Contract, table: TableName) -> TableId:
    """A table that people read once it is released."""
    prefix = () if table == "current" else (table,)
    return TableId((*prefix, contract.department, contract.name))


def released_tables(contract: Contract) -> dict[TableName, TableId]:
    """All tables that one release of the dataset holds."""
    return {table: released_table(contract, table) for table in contract.tables}


def location(settings: Settings, table: TableId) -> str:
    """The folder of the table in the object store; landing has a bucket of its own."""
    if table.parts[0] == "landing":
        return f"s3://{settings.bucket_landing}/{'/'.join(table.parts[1:])}"
    return f"s3://{settings.bucket_lakehouse}/{'/'.join(table.parts)}"


def attempt_branch(epoch: int) -> str:
    """A new name for the branch of one attempt: unique, and tells the epoch that wrote it."""
    return f"a_{epoch}_{secrets.token_hex(6)}"


def release_tag(number: int) -> str:
    """The tag that keeps a release's snapshots."""
    return f"rel_{number}"


def all_tables(contracts: Iterable[Contract]) -> tuple[TableId, ...]:
    """Every table that the contracts ask for."""
    tables: list[TableId] = []
    for contract in contracts:
        if contract.kind == "source":
            tables.append(landing_table(contract))
        tables.extend(released_tables(contract).values())
    return tuple(tables)
