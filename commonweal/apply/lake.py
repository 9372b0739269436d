"""The lake's tables as the contracts want them. None is ever dropped."""

from collections.abc import Iterable, Iterator
from functools import partial

from commonweal.apply.changes import Change, Operation, carry_out
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.errors import AccessDeniedError, TransientError
from commonweal.settings import Settings


def apply_tables(settings: Settings, contracts: Iterable[Contract], *, plan: bool) -> list[Change]:
    """Create the tables that are missing, and add the columns that contracts have gained.

    Raises:
        AccessDeniedError: The pipeline may not write to the buckets.
        ConfigError: The catalog isn't there yet.
        TransientError: Catalog or store is unreachable.
    """
    try:
        with database_errors("creating the lake's tables"):
            return carry_out(_tables(settings, contracts), plan=plan)
    except OSError as error:
        # pyarrow's one error for everything that the store answers.
        if "ACCESS_DENIED" in str(error):
            raise AccessDeniedError("user pipeline may not write to the lake; run: commonweal apply --only minio") from None
        raise TransientError("the object store is unreachable; is it running? see: commonweal stack status") from None


def _tables(settings: Settings, contracts: Iterable[Contract]) -> Iterator[Operation]:
    from commonweal.lake.catalog import catalog
    from commonweal.lake.tables import add_columns, create_table, missing_columns, missing_tables, wanted_tables

    lake = catalog(settings, "pipeline")
    for contract in contracts:
        for table, names in missing_columns(lake, contract).items():
            add = partial(add_columns, lake, table, wanted_tables(contract)[table])
            yield Operation(Change("tables", "change", "table", table.sql, f"add {', '.join(names)}"), add)
        for table, schema in missing_tables(lake, contract).items():
            create = partial(create_table, settings, lake, table, schema)
            yield Operation(Change("tables", "create", "table", table.sql, f"{len(schema)} columns"), create)
