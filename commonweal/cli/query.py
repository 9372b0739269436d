"""``commonweal query``: released data, for a purpose of the contract's closed list."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from commonweal.errors import ConfigError
from commonweal.settings import load_settings

if TYPE_CHECKING:
    from commonweal.reading import Reading

app = typer.Typer(add_completion=False)
SHOWN_ROWS = 20
BOM = b"\xef\xbb\xbf"  # without it Excel reads Chinese as nonsense


class Format(StrEnum):
    """What the rows become."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"


class Table(StrEnum):
    """Which table of the release."""

    CURRENT = "current"
    HISTORY = "history"


@app.command()
def query(  # noqa: PLR0913 - one argument per option of the command
    dataset: Annotated[str, typer.Argument(help="Id of the dataset: department.name")],
    *,
    purpose: Annotated[str, typer.Option(help="What for: a purpose of the contract; it goes into the evidence.")],
    release: Annotated[int | None, typer.Option(help="Number of the release; by default what people read now.")] = None,
    role: Annotated[
        str, typer.Option("--as", help="The role that you sign in with: engineer, or dept_<department>.")
    ] = "engineer",
    table: Annotated[Table, typer.Option(help="The last state of each key, or all states with their periods.")] = Table.CURRENT,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many rows; a table shows 20 by default.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="table, csv (UTF-8 with BOM) or parquet.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option(help="File to write; its mode is 0600.")] = None,
) -> None:
    """Read released data; that you read it, and what for, is recorded first."""
    from commonweal.contract.loader import load_datasets
    from commonweal.reading import Request, read

    _check(format_, output)
    most = limit or (SHOWN_ROWS if format_ is Format.TABLE else None)
    settings = load_settings()
    request = Request(dataset, purpose, role, release, table.value, most, format_.value)
    found = read(request, settings, load_datasets(settings.schemas_dir))
    if format_ is Format.TABLE:
        _show(dataset, found)
    else:
        rows = _save(found, format_, output)
        print(f"{dataset} release {found.release}: {rows:,} of {found.rows:,} rows", file=sys.stderr)


def _check(format_: Format, output: Path | None) -> None:
    if format_ is Format.TABLE and output:
        raise ConfigError("a table is for the screen; for a file give --format csv or --format parquet")
    if format_ is Format.PARQUET and not output:
        raise ConfigError("Parquet is not for the screen; give --output FILE")


def _show(dataset: str, found: "Reading") -> None:
    from rich.markup import escape
    from rich.table import Table as Grid

    from commonweal.cli.screen import console as screen

    shown = 0
    grid = Grid(*map(escape, found.schema.names), box=None, header_style="bold", pad_edge=False)
    for batch in found.batches:
        for row in batch.to_pylist():
            shown += 1
            grid.add_row(*("–" if value is None else escape(str(value)) for value in row.values()))
    screen().print(grid)
    more = f", {found.rows - shown:,} more" if found.rows > shown else ""
    screen().print(f"{dataset} release {found.release}: {shown:,} rows shown{more}", highlight=False)


def _save(found: "Reading", format_: Format, output: Path | None) -> int:
    """Write batch by batch, so that a result of any size takes no more memory; returns the number of rows."""
    if output is None:
        return _write_csv(found, sys.stdout.buffer)
    with _draft(output) as sink:
        return _write_csv(found, sink) if format_ is Format.CSV else _write_parquet(found, sink)


def _write_csv(found: "Reading", sink: IO[bytes]) -> int:
    from pyarrow import csv

    sink.write(BOM)
    rows = 0
    with csv.CSVWriter(sink, found.schema) as writer:
        for batch in found.batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _write_parquet(found: "Reading", sink: IO[bytes]) -> int:
    from pyarrow import parquet

    rows = 0
    with parquet.ParquetWriter(sink, found.schema) as writer:
        for batch in found.batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


@contextmanager
def _draft(output: Path) -> Iterator[IO[bytes]]:
    """A file that others can't read and that gets its name only when it is whole."""
    draft = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as sink:
            yield sink
        draft.replace(output)
    except OSError as error:
        raise ConfigError(f"{output} can't be written ({error.strerror}); give another --output") from None
    finally:
        draft.unlink(missing_ok=True)
