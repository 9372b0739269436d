"""Landing rows under another pseudonym key: each pseudonym made anew from the identifier that is sealed beside it."""

from typing import Any

import orjson
import pyarrow as pa

from commonweal.contract.model import Contract
from commonweal.errors import ConfigError
from commonweal.identity import Opener, Place, Pseudonymiser
from commonweal.render.lake_schema import PLACE_COLUMNS


def rotated(batch: pa.RecordBatch, *, contract: Contract, pseudonymiser: Pseudonymiser, opener: Opener) -> pa.RecordBatch:
    """The same rows in the same order, with pseudonyms of the pseudonymiser's key; all else as it was.

    Args:
        batch: Rows of ``landing_schema(contract)``; rejected ones have no pseudonyms.
        contract: The contract of the dataset.
        pseudonymiser: Makes the new pseudonyms.
        opener: Opens what is sealed beside accepted rows.

    Raises:
        ConfigError: A pseudonym has no sealed identifier, or stays the same: the key is no new one. Nothing is half done.
    """
    kinds = {field.column: field.identifier or "" for field in contract.fields if field.is_pseudonymised}
    identifiers = _identifiers(batch, opener)
    columns = {column: _renewed(batch, column, kind, identifiers, pseudonymiser) for column, kind in kinds.items()}
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns else batch.column(field.name) for field in batch.schema
    ]
    _refuse_unchanged(batch, columns, contract.id)
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def _identifiers(batch: pa.RecordBatch, opener: Opener) -> list[dict[str, Any]]:
    """By row the sealed identifiers, by column; none for a rejected row, whose sealed payload is another thing."""
    accepted, sealed = batch.column("_accepted").to_pylist(), batch.column("_sealed").to_pylist()
    places = zip(*(batch.column(name).to_pylist() for name in PLACE_COLUMNS), strict=True)
    return [
        orjson.loads(opener.open(value, Place(*place))) if is_accepted and value is not None else {}
        for is_accepted, value, place in zip(accepted, sealed, places, strict=True)
    ]


def _renewed(
    batch: pa.RecordBatch, column: str, kind: str, identifiers: list[dict[str, Any]], pseudonymiser: Pseudonymiser
) -> list[str | None]:
    before = batch.column(column).to_pylist()
    lost = sum(old is not None and column not in known for old, known in zip(before, identifiers, strict=True))
    if lost:
        raise ConfigError(f"{column}: {lost} pseudonyms have no sealed identifier; they can't be made anew, nothing was changed")
    return [pseudonymiser.pseudonym(kind, known[column]) if column in known else None for known in identifiers]


def _refuse_unchanged(batch: pa.RecordBatch, columns: dict[str, list[str | None]], dataset: str) -> None:
    for column, after in columns.items():
        same = sum(new is not None and old == new for old, new in zip(batch.column(column).to_pylist(), after, strict=True))
        if same:
            raise ConfigError(
                f"{dataset}: {column}: {same} pseudonyms would stay as they are: the new key is the old one; nothing was changed"
            )
