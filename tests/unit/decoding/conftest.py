"""A small personal contract and the machinery around one record, shared by the tests of decoding."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from stdnum.cn.ric import calc_check_digit

from commonweal.contract.model import Code, Contract, Field, Text
from commonweal.decoding import BatchDecoder
from commonweal.identity import Sealer, ensure_keys, load_pseudonymiser, load_public_key

TITLE = Text(en="x", zh="字")
SEEN_AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": "event-1",
    "ce_source": "/welfare/cases",
    "ce_type": "welfare.case.recorded",
    "ce_time": "2026-01-05T00:00:00Z",
    "ce_dataschema": "urn:commonweal:welfare.case:1.0.0",
    "content-type": "application/json",
}


def a_field(name: str, type_: str = "string", **others: object) -> Field:
    return Field(
        **({"name": name, "physical_name": name, "column": name, "type": type_, "title": TITLE, "description": TITLE} | others)
    )


@pytest.fixture(scope="session")
def contract() -> Contract:
    codes = (Code(value="active", title=TITLE, physical=("在享", "A")), Code(value="ended", title=TITLE))
    return Contract(
        id="welfare.case",
        version="1.2.0",
        kind="source",
        status="active",
        title=TITLE,
        description=TITLE,
        key=("case_no",),
        digest="d",
        occurred_at=("changed_on", "opened_on"),
        sequence="visits",
        fields=(
            a_field("case_no", physical_name="案件编号", required=True, pattern="^[A-Z0-9]{1,20}$"),
            a_field(
                "resident_id",
                physical_name="身份证",
                column="person_key",
                identifier="resident_id",
                personal="identifier",
                required=True,
            ),
            a_field("status_code", physical_name="状态", codes=codes),
            a_field("opened_on", "date"),
            a_field("changed_on", "date"),
            a_field("seen_at", "timestamp"),
            a_field("amount_cny", "decimal", precision=12, scale=2),
            a_field("visits", "integer", minimum=0),
            a_field("is_urgent", "boolean"),
            a_field("note"),
        ),
    )


@pytest.fixture(scope="session")
def resident_id() -> Callable[..., str]:
    def build(serial: int = 2, born: str = "19900307") -> str:
        body = f"990101{born}{serial:03d}"
        return body + calc_check_digit(f"{body}0")

    return build


@pytest.fixture(scope="session")
def document(resident_id: Callable[..., str]) -> dict[str, object]:
    return {
        "case_no": "C1",
        "resident_id": resident_id(),
        "status_code": "active",
        "opened_on": "2025-12-01",
        "changed_on": None,
        "seen_at": "2025-12-01T08:00:00Z",
        "amount_cny": "120.5",
        "visits": 3,
        "is_urgent": False,
        "note": "两次走访",
    }


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decoding") / "keys"
    ensure_keys(folder)
    return folder


@pytest.fixture(scope="session")
def land(contract: Contract, keys: Path) -> Callable[..., list[dict[str, object]]]:
    """Decodes records ``(headers, value)`` and gives the landing rows as mappings."""
    pseudonymiser, sealer = load_pseudonymiser(keys), Sealer(load_public_key(keys), contract.id)

    def run(*records: tuple[object, object], topic: str = contract.topic) -> list[dict[str, object]]:
        batch = a_batch(list(records), topic)
        landed = BatchDecoder(contract, pseudonymiser, sealer).decode(batch)
        landed.validate(full=True)
        return landed.to_pylist()

    return run


def a_batch(records: list[tuple[object, object]], topic: str) -> pa.RecordBatch:
    count = len(records)
    headers = [
        None if given is None else [{"key": name, "value": _bytes(value)} for name, value in _pairs(given)]
        for given, _ in records
    ]
    columns = {
        "_kafka_topic": pa.array([topic] * count),
        "_kafka_partition": pa.array([1] * count, pa.int32()),
        "_kafka_offset": pa.array(range(count), pa.int64()),
        "_appended_at": pa.array([SEEN_AT] * count, pa.timestamp("us", "UTC")),
        "headers": pa.array(headers, pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
        "key": pa.array([b"k"] * count, pa.binary()),
        "value": pa.array([_bytes(value) for _, value in records], pa.binary()),
    }
    return pa.RecordBatch.from_pydict(columns)


def _pairs(headers: object) -> list[tuple[str, object]]:
    return list(headers.items()) if isinstance(headers, dict) else list(headers)


def _bytes(value: object) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else orjson.dumps(value)


@pytest.fixture(scope="session")
def headers() -> dict[str, str]:
    return dict(HEADERS)
