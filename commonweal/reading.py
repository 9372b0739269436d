"""Reading released data for a purpose: who asks, may they, is it recorded; only then is a row read.

People read by a release's manifest, at its snapshot ids, never by ``main``: two datasets read one after the other belong
together. They see live rows, the contract's columns and the periods; what the platform counts for itself stays inside.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commonweal import evidence
from commonweal.contract.model import Contract, Purpose, TableName
from commonweal.contract.soundness import Datasets
from commonweal.database import database_errors, engine
from commonweal.errors import AccessDeniedError, ConfigError, ContractError, TransientError
from commonweal.lake.catalog import catalog, load
from commonweal.lake.names import released_table
from commonweal.lake.releases import Release, current_release, numbered_release, rolled_back_numbers
from commonweal.people import Person, as_name, sign_in
from commonweal.render.access import POSTGRES_PEOPLE
from commonweal.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import DataScan

PROGRAM = "query"
PERIODS: dict[TableName, tuple[str, ...]] = {"current": ("_valid_from",), "history": ("_valid_from", "_valid_to")}
SHARED_AS_THEY_ARE = (None, "keep", "pseudonym")


@dataclass(frozen=True)
class Request:
    """What somebody asks to read.

    Attributes:
        dataset: The dataset's id.
        purpose: Code of the purpose; must be one of the contract's.
        role: The role that the caller signs in with.
        release: Number of the release; None for the one that people read now.
        table: ``current``, or ``history`` with the periods of each state.
        limit: At most this many rows; None for all.
        format: What the rows become, for the evidence: ``table``, ``csv`` or ``parquet``.
    """

    dataset: str
    purpose: str
    role: str
    release: int | None = None
    table: TableName = "current"
    limit: int | None = None
    format: str = "table"


@dataclass(frozen=True)
class Reading:
    """Released rows, read as they are taken.

    Attributes:
        release: Number of the release.
        rows: How many rows the release has in all.
        schema: The columns.
        batches: The rows; at most the request's limit.
    """

    release: int
    rows: int
    schema: "pa.Schema"
    batches: "Iterator[pa.RecordBatch]"


def read(request: Request, settings: Settings, datasets: Datasets) -> Reading:
    """Released rows for a purpose; that they were asked for is committed to the evidence before one is read.

    Raises:
        AccessDeniedError: Nobody is signed in, or purpose or sharing don't allow it; the refusal is in the evidence.
        ConfigError: The dataset has no such table or release.
        ContractError: There is no such dataset, or its contract is broken.
        TransientError: Database or object store is unreachable.
    """
    contract = _contract(request, datasets)
    person, purpose = _allowed(request, contract, settings)
    release = _release(request, contract, settings)
    scan = _scan(request, release, readable_columns(contract, request.table, person), contract, settings)
    columns = [field.name for field in scan.projection().fields]
    entry = evidence.Entry(person.role, "read", contract.id, _details(request, release, purpose, columns))
    evidence.record(engine(settings, PROGRAM), entry)
    with _read_errors(contract.id):
        reader = scan.to_arrow_batch_reader()
    return Reading(release.number, release.rows[request.table], reader.schema, _batches(contract.id, reader))


def refusal(contract: Contract, person: Person, purpose: str) -> str | None:
    """Why the person may not read the dataset for that purpose, and what to do; None when they may."""
    codes = [item.code for item in contract.purposes]
    if purpose not in codes:
        return f"{contract.id}: that purpose is not in its contract; it may be read for: {', '.join(codes) or 'nothing'}"
    if person.role not in POSTGRES_PEOPLE and person.department is None:
        return f"{contract.id}: {person.role} is a program; sign in as a person: engineer, auditor or dept_<department>"
    if person.department == contract.department:
        return None
    if contract.sharing == "not_shared":
        return f"{contract.id} is not shared ({contract.sharing_basis}); only {contract.department} reads it"
    if contract.is_open or contract.sharing == "unconditional" or person.role == "engineer":
        return None
    return (
        f"{contract.id} is shared on conditions and {person.role} has no grant; ask {contract.department} for one, "
        f"with the purpose {purpose} and its legal basis"
    )


def readable_columns(contract: Contract, table: TableName, person: Person) -> tuple[str, ...]:
    """The columns that the person reads: the contract's, and of a source the periods.

    What a source's contract drops or generalises for sharing is left out for all but its own department: a product's transform
    treats it, and nothing does before.
    """
    if contract.kind == "product":
        return tuple(field.column for field in contract.fields)
    is_own = person.department == contract.department
    shown = (field.column for field in contract.fields if is_own or field.treatment in SHARED_AS_THEY_ARE)
    return (*shown, *PERIODS[table])


def _contract(request: Request, datasets: Datasets) -> Contract:
    if request.dataset not in {*datasets.contracts, *datasets.broken}:
        # What was typed might be a value that belongs to a person.
        raise ContractError(f"there is no such dataset; known are: {', '.join(datasets.contracts)}")
    contract = datasets.contract(request.dataset)
    if request.table not in contract.tables:
        raise ConfigError(f"{contract.id} has no table {request.table}; it has: {', '.join(contract.tables)}")
    return contract


def _allowed(request: Request, contract: Contract, settings: Settings) -> tuple[Person, Purpose]:
    """The signed-in person and the purpose, or the refusal, recorded before it is said."""
    try:
        person = sign_in(settings, request.role)
    except AccessDeniedError as error:
        _deny(request, settings, PROGRAM, str(error))
    why = refusal(contract, person, request.purpose)
    if why:
        _deny(request, settings, person.role, why)
    return person, next(item for item in contract.purposes if item.code == request.purpose)


def _deny(request: Request, settings: Settings, actor: str, why: str) -> None:
    said = {"role": as_name(request.role), "purpose": as_name(request.purpose)}
    details = {**said, "table": request.table, "signed_in": actor != PROGRAM}
    evidence.record(engine(settings, PROGRAM), evidence.Entry(actor, "read_denied", request.dataset, details))
    raise AccessDeniedError(why)


def _release(request: Request, contract: Contract, settings: Settings) -> Release:
    """The release that was asked for; one that was rolled back is no longer read."""
    source = engine(settings, PROGRAM)
    now = current_release(source, contract.id)
    if now is None:
        raise ConfigError(f"{contract.id}: nothing was released yet; see: commonweal status")
    if request.release is None or request.release == now.number:
        return now
    found = numbered_release(source, contract.id, request.release) if request.release < now.number else None
    if found is None or found.number in rolled_back_numbers(source, contract.id):
        raise ConfigError(
            f"{contract.id}: there is no release {request.release} to read, people read release {now.number}; "
            f"see: commonweal releases {contract.id}"
        )
    return found


def _scan(request: Request, release: Release, columns: Iterable[str], contract: Contract, settings: Settings) -> "DataScan":
    """The scan of the release's snapshot, planned when it is read."""
    snapshot = release.snapshots[request.table]
    with database_errors(f"reading the catalog for {contract.id}"), _read_errors(contract.id):
        table = load(catalog(settings, PROGRAM), released_table(contract, request.table))
    found = table.metadata.snapshot_by_id(snapshot)
    if found is None:
        raise ConfigError(f"{contract.id}: release {release.number} is no longer kept; see: commonweal releases {contract.id}")
    # A release is read with the columns it was made with; one that the contract got since isn't in it.
    made_with = set(table.schemas()[found.schema_id].column_names if found.schema_id is not None else table.schema().column_names)
    is_hiding = contract.kind == "source" and request.table == "current"
    return table.scan(
        row_filter="_state = 'live'" if is_hiding else "true",
        selected_fields=tuple(name for name in columns if name in made_with),
        snapshot_id=snapshot,
        limit=request.limit,
    )


def _details(request: Request, release: Release, purpose: Purpose, columns: list[str]) -> dict[str, object]:
    return {
        "release": release.number,
        "snapshot": str(release.snapshots[request.table]),
        "table": request.table,
        "purpose": purpose.code,
        "legal_basis": purpose.legal_basis,
        "columns": columns,
        "format": request.format,
        "rows_at_most": request.limit,
    }


def _batches(dataset: str, reader: "pa.RecordBatchReader") -> "Iterator[pa.RecordBatch]":
    with _read_errors(dataset):
        yield from reader


@contextmanager
def _read_errors(dataset: str) -> Iterator[None]:
    """The store's errors as the platform's; their texts may hold addresses of files and are left out."""
    try:
        yield
    except OSError as error:
        raise TransientError(
            f"{dataset}: the object store failed or refused ({type(error).__name__}); see: commonweal stack status"
        ) from None
