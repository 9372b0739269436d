"""The lake's tables as the contracts want them. None is ever dropped."""

from collections.abc import Iterable, Iterator
from functools import partial

from commonweal.apply.changes import Change, Operation, carry_out
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.errors import AccessDeniedError, ConflictError, TransientError
from commonweal.settings import Settings


def apply_tables(settings: Settings, contracts: Iterable[Contract], *, plan: bool) -> list[Change]:
    """Create the tables that are missing, add the columns that contracts have gained, and set how files are written.

    Raises:
        AccessDeniedError: The pipeline may not write to the buckets.
        ConfigError: The catalog isn't there yet.
        ConflictError: A step committed to a table meanwhile.
        TransientError: Catalog or store is unreachable.
    """
    from pyiceberg.exceptions import CommitFailedException

    try:
        with database_errors("creating the lake's tables"):
            return carry_out(_tables(settings, contracts), plan=plan)
    except CommitFailedException:
        raise ConflictError("a step committed to one of the lake's tables meanwhile; run again: commonweal apply") from None
    except OSError as error:
        # pyarrow's one error for everything that the store answers.
        if "ACCESS_DENIED" in str(error):
            raise AccessDeniedError("user pipeline may not write to the lake; run: commonweal apply --only minio") from None
        raise TransientError("the object store is unreachable; is it running? see: commonweal stack status") from None


def _tables(settings: Settings, contracts: Iterable[Contract]) -> Iterator[Operation]:
    from commonweal.database import engine
    from commonweal.lake.catalog import catalog
    from commonweal.lake.clocks import refuse_own_time
    from commonweal.lake.tables import add_columns, create_table, lacking, set_properties, wanted_tables

    refuse_own_time(engine(settings, "pipeline"))
    lake = catalog(settings, "pipeline")
    wanted = {table: schema for contract in contracts for table, schema in wanted_tables(contract).items()}
    for table, schema in wanted.items():
        lack = lacking(lake, table, schema)
        if lack.columns:
            add = partial(add_columns, lake, table, schema)
            yield Operation(Change("tables", "change", "table", table.sql, f"add {', '.join(lack.columns)}"), add)
        if lack.properties:
            put_right = partial(set_properties, lake, table)
            yield Operation(Change("tables", "change", "table", table.sql, f"set {', '.join(lack.properties)}"), put_right)
        if not lack.is_there:
            create = partial(create_table, settings, lake, table, schema)
            yield Operation(Change("tables", "create", "table", table.sql, f"{len(schema)} columns"), create)
