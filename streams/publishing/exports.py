"""A department's export as rows of text by column name: CSV, JSON Lines or Parquet, plain or gzipped, one row at a time."""

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypeVar, cast

from commonweal.decoding.document import parse
from commonweal.errors import ContractError

Format = Literal["csv", "jsonl", "parquet"]
Item = TypeVar("Item")
FORMATS: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_CHUNK = 1 << 20
_DELIMITERS = ",;\t|"
_GZIP = b"\x1f\x8b"
BLOCK_ROWS = 1_000
"""So many rows, one after the other, are read and checked by the same process."""


class SourceRow(NamedTuple):
    """One row: its number (from 1, without the header), its cells, and why it can't be read, if it can't."""

    number: int
    cells: Mapping[str, str | None]
    reasons: tuple[str, ...] = ()


def block_of(row: int) -> int:
    """The number of a row's block, from 0, by the row's number."""
    return (row - 1) // BLOCK_ROWS


class Share(NamedTuple):
    """Which rows of an export one of several readers takes: every so-manieth block of them; by default all."""

    number: int = 0
    of: int = 1

    def has(self, row: int) -> bool:
        """Whether a row is in it, by the row's number."""
        return block_of(row) % self.of == self.number


@dataclass(frozen=True)
class Export:
    """One export, looked at once.

    Attributes:
        path: Where it is.
        format: How it is written.
        encoding: How its text is encoded; None for Parquet.
        digest: SHA-256 of its bytes.
        size: Its bytes.
        delimiter: What separates the cells of a CSV; empty for the others.
        columns: The columns its header or schema names; of JSON Lines those of the first line.
    """

    path: Path
    format: Format
    encoding: str | None
    digest: str
    size: int
    delimiter: str
    columns: tuple[str, ...]


def look(path: Path, form: Format | None = None) -> Export:
    """Read the export once, for its digest, encoding and columns.

    Args:
        path: The file; ``.gz`` may follow the format's suffix.
        form: The format; by default what the file's name says.

    Raises:
        ContractError: The file is missing, empty, of no known format or encoding, or damaged.
    """
    if not path.is_file():
        raise ContractError(f"{path} is no file; name the export, or - for standard input")
    form = form or _format(path)
    with _readable(path):
        encoding = None if form == "parquet" else _encoding(path)
        export = Export(path, form, encoding, _digest(path), path.stat().st_size, _delimiter(path, form, encoding), ())
        columns = _columns(export)
    if not columns:
        raise ContractError(f"{path} is empty: it has no header and no row")
    return Export(**{**export.__dict__, "columns": columns})


def rows(export: Export, share: Share = Share()) -> Iterator[SourceRow]:  # noqa: B008 - a share is a value
    """The rows of the export, one at a time; those of other shares are passed over, as far as their format lets them be.

    Raises:
        ContractError: The file is damaged, or its quotes don't add up.
    """
    with _readable(export.path):
        yield from {"csv": _csv_rows, "jsonl": _json_rows, "parquet": _parquet_rows}[export.format](export, share)


def _format(path: Path) -> Format:
    name = path.name.lower().removesuffix(".gz")
    form = FORMATS.get(Path(name).suffix)
    if form is None:
        raise ContractError(
            f"{path}: the format can't be told from its name; use --format {', '.join(sorted(set(FORMATS.values())))}"
        )
    return form


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise ContractError(f"{path} is a damaged or cut gzip file; make the export again") from None
    except csv.Error as error:
        raise ContractError(f"{path} can't be read as CSV ({error}); check its quotes, or make the export again") from None
    except pa.ArrowInvalid:
        raise ContractError(f"{path} isn't a readable Parquet file; make the export again") from None
    except UnicodeDecodeError:
        raise ContractError(f"{path} is neither UTF-8 nor GB18030; make the export again in UTF-8") from None


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        if file.read(2) == _GZIP:
            file.seek(0)
            with gzip.open(file) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            file.seek(0)
            yield file


def _chunks(path: Path) -> Iterator[bytes]:
    with _opened(path) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _encoding(path: Path) -> str:
    start = next(_chunks(path), b"")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # GB18030 decodes nearly any bytes, so UTF-8 is tried first, and on the whole file.
    for name in ("utf-8-sig", "gb18030"):
        if _decodes(path, name):
            return name
    raise ContractError(f"{path} is neither UTF-8 nor GB18030; make the export again in UTF-8")


def _decodes(path: Path, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        for chunk in _chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def _text(export: Export) -> Iterator[io.TextIOWrapper]:
    with _opened(export.path) as file, io.TextIOWrapper(file, encoding=export.encoding, newline="") as text:
        yield text


def _delimiter(path: Path, form: Format, encoding: str | None) -> str:
    if form != "csv":
        return ""
    with _opened(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:
        header = text.readline()
    return max(_DELIMITERS, key=header.count)


def _columns(export: Export) -> tuple[str, ...]:
    if export.format == "parquet":
        import pyarrow.parquet as pq

        return tuple(pq.read_schema(export.path).names)
    if export.format == "jsonl":
        first = next(_json_rows(export, Share()), None)
        return tuple(first.cells) if first else ()
    with _text(export) as text:
        return tuple(name.strip() for name in next(csv.reader(text, delimiter=export.delimiter, strict=True), []))


def _csv_rows(export: Export, share: Share) -> Iterator[SourceRow]:
    with _text(export) as text:
        reader = csv.reader(text, delimiter=export.delimiter, strict=True)
        next(reader, None)
        cells = (line for line in reader if line)
        for number, line in _of(share, cells):
            reasons = () if len(line) == len(export.columns) else ("cells:_row",)
            yield SourceRow(number, dict(zip(export.columns, line, strict=False)), reasons)


def _json_rows(export: Export, share: Share) -> Iterator[SourceRow]:
    with _text(export) as text:
        lines = (line for line in text if line.strip())
        for number, line in _of(share, lines):
            document, reason = parse(line.encode())
            if document is None:
                yield SourceRow(number, {}, (reason or "json:_row",))
                continue
            nested = tuple("nested:_row" for value in document.values() if isinstance(value, dict | list))
            yield SourceRow(number, {name: _cell(value) for name, value in document.items()}, nested[:1])


def _parquet_rows(export: Export, share: Share) -> Iterator[SourceRow]:
    import pyarrow.parquet as pq

    start = 1
    with pq.ParquetFile(export.path) as file:
        for batch in file.iter_batches(batch_size=BLOCK_ROWS):
            numbers = range(start, start + batch.num_rows)
            start = numbers.stop
            if any(map(share.has, numbers)):
                for number, values in zip(numbers, batch.to_pylist(), strict=True):
                    if share.has(number):
                        yield SourceRow(number, {name: _cell(value) for name, value in values.items()})


def _of(share: Share, items: Iterable[Item]) -> Iterator[tuple[int, Item]]:
    """The items of a share, with their numbers."""
    numbered = enumerate(items, 1)
    return numbered if share.of == 1 else (item for item in numbered if share.has(item[0]))


def _cell(value: Any) -> str | None:  # noqa: ANN401 - whatever JSON or Parquet holds
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
