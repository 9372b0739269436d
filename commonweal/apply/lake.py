"""The lake's tables as the contracts want them. None is ever dropped."""

from collections.abc import Iterable, Iterator
from functools import partial

from commonweal.apply.changes import Change, Operation, carry_out
from commonweal.contract.model import Contract
from commonweal.settings import Settings


def apply_tables(settings: Settings, contracts: Iterable[Contract], *, plan: bool) -> list[Change]:
    """Create the tables that are missing.

    Raises:
        ConfigError: Catalog or store aren't there yet.
        TransientError: Catalog or store is unreachable.
    """
    return carry_out(_tables(settings, contracts), plan=plan)


def _tables(settings: Settings, contracts: Iterable[Contract]) -> Iterator[Operation]:
    from commonweal.lake.catalog import catalog
    from commonweal.lake.tables import create_table, missing_tables

    lake = catalog(settings, "pipeline")
    for contract in contracts:
        for table, schema in missing_tables(lake, contract).items():
            create = partial(create_table, settings, lake, table, schema)
            yield Operation(Change("tables", "create", "table", table.sql, f"{len(schema)} columns"), create)
