"""A resident id is found nowhere outside Kafka: not in a table, a log, a report, a task's result, whatever it is written as."""

import base64
import csv
import hashlib
import io
from collections.abc import Iterator

import pytest
from pyarrow import parquet
from sqlalchemy import create_engine, text

from commonweal.database import database_url
from commonweal.store import client

SAMPLE = 60
WIDE = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")  # noqa: RUF001 - full-width on purpose


@pytest.fixture(scope="module")
def traces(told) -> tuple[str, ...]:
    """Ids that were published well, refused by landing, and kept back by publish, each as it might be written."""
    ids = set()
    for export in told.town.exports:
        encoding = "utf-8-sig" if "household" in export.path.name else "gb18030"
        with export.path.open(encoding=encoding, newline="") as file:
            found = [row["公民身份号码"] for row in csv.DictReader(file)]
        ids |= set(found[:SAMPLE]) | set(found[-SAMPLE:])
    ids |= {event.right["resident_id"] for event in told.town.direct[:SAMPLE]}
    assert len(ids) > 2 * SAMPLE
    return tuple(form for number in sorted(ids) for form in forms(number))


def forms(number: str) -> Iterator[str]:
    """A number as it is, full-width, in base64 and hex, and as plain hashes."""
    raw = number.encode()
    yield from (number, number.translate(WIDE), base64.b64encode(raw).decode().rstrip("="), raw.hex())
    yield from (hashlib.new(name, raw).hexdigest() for name in ("md5", "sha1", "sha256"))


def assert_clean(content: str, traces: tuple[str, ...], place: str) -> None:
    lowered = content.lower()
    found = sum(trace.lower() in lowered for trace in traces)
    assert not found, f"{place} holds {found} traces of resident ids"


def test_the_search_finds_what_is_planted(traces):
    for trace in traces[:7]:
        with pytest.raises(AssertionError, match="1 traces|2 traces"):
            assert_clean(f"…{trace}…", traces, "here")


def objects(stack) -> Iterator[tuple[str, bytes]]:
    store = client(stack.settings, "root")
    for bucket in store.list_buckets():
        for item in store.list_objects(bucket_name=bucket.name, recursive=True):
            answer = store.get_object(bucket_name=bucket.name, object_name=item.object_name)
            yield f"{bucket.name}/{item.object_name}", answer.read()
            answer.close()
            answer.release_conn()


def test_no_object_of_the_store_holds_one(stack, told, traces):
    seen = {"parquet": 0, "other": 0}
    for name, content in objects(stack):
        if name.endswith(".parquet"):
            seen["parquet"] += 1
            shown = "\n".join(str(column.to_pylist()) for column in parquet.read_table(io.BytesIO(content)).columns)
            assert_clean(shown, traces, name)
        else:
            seen["other"] += 1
        assert_clean(content.decode("latin-1"), traces, name)
    assert seen["parquet"] > 10
    assert seen["other"] > 50


@pytest.mark.parametrize(("database", "role"), [("commonweal", "commonweal"), ("airflow", "airflow")])
def test_no_row_of_a_database_holds_one(stack, told, traces, database, role):
    address = database_url(stack.settings, role).set(database=database)
    listed = "select schemaname, tablename from pg_tables where schemaname = 'public'"
    with create_engine(address).begin() as connection:
        tables = connection.execute(text(listed)).all()
        assert len(tables) > 10
        for schema, table in tables:
            rows = connection.execute(text(f'select cast(t as text) from "{schema}"."{table}" t')).scalars().all()
            assert_clean("\n".join(map(str, rows)), traces, f"{database}.{table}")


def test_no_log_and_no_file_of_the_run_folder_holds_one(stack, told, traces):
    folders = [stack.run_dir / name for name in ("logs", "config", "reports")]
    files = [path for folder in folders if folder.is_dir() for path in folder.rglob("*") if path.is_file()]
    assert any("airflow-tasks" in path.parts for path in files)
    assert len(files) > 10
    for path in files:
        assert_clean(path.read_bytes().decode("utf-8", "replace"), traces, str(path.relative_to(stack.run_dir)))
