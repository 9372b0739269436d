"""A large export checked by several processes: what comes of it is what one process would have made."""

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commonweal.contract.loader import load_contract
from commonweal.errors import ContractError, TransientError
from commonweal.settings import ROOT, Settings
from streams import publish as publishing
from streams.publish import Request, publish
from streams.publishing.event import Origin
from streams.publishing.exports import BLOCK_ROWS, Share, look, rows
from streams.publishing.processes import _run
from streams.publishing.shares import Standard, check
from streams.publishing.spool import Spool, spool

DATASET = "hotline.service_request"
ROWS = 3 * BLOCK_ROWS + 7
SECRET = "q7-never-shown"


@pytest.fixture(scope="module")
def standard() -> Standard:
    contract = load_contract(ROOT / "schemas", DATASET)
    return Standard(
        contract, Origin("/hotline", "recorded", "2026-01-01T00:00:00Z", None, b"k" * 32), datetime(2026, 1, 2, tzinfo=UTC)
    )


def a_row(serial: int, names: dict[str, str]) -> dict[str, str]:
    values = {
        "case_no": f"NYCC{serial % 400:08d}",
        "office_code": "NYCC07" if serial % 97 else SECRET,
        "opened_on": f"2025-01-{1 + serial % 28:02d}",
    }
    return {names[name]: value for name, value in values.items()}


@pytest.fixture(scope="module")
def table(standard) -> list[dict[str, str]]:
    names = {field.column: field.physical_name for field in standard.contract.fields}
    return [a_row(serial, names) for serial in range(ROWS)]


def write(path: Path, table: list[dict[str, str]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(table), path, row_group_size=700)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in table))
    else:
        path.write_text("\n".join([",".join(table[0]), *(",".join(row.values()) for row in table)]))
    return path


@contextmanager
def checked(path: Path, standard: Standard, writers: int, progress=lambda _: None) -> Iterator[tuple[object, Spool]]:
    with spool(path.parent / "spool", writers=writers) as waiting:
        yield check(look(path), standard, waiting, progress), waiting


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_several_processes_make_what_one_does(tmp_path, standard, table, suffix):
    path, told = write(tmp_path / f"export.{suffix}", table), []
    with checked(path, standard, 1) as (tally, alone), checked(path, standard, 3, told.append) as (shared, together):
        assert shared == tally
        assert (shared.rows, shared.bad) == (ROWS, len(range(0, ROWS, 97)))
        assert sum(told) == ROWS
        assert all(writer.lanes[0].count for writer in together.writers), "each had something to do"
        assert [list(lane.events()) for lane in together.lanes] == [list(lane.events()) for lane in alone.lanes]
        assert [lane.size for lane in together.lanes] == [lane.size for lane in alone.lanes]
        assert list(together.rejected()) == list(alone.rejected())
        assert [row.number for row, _ in together.rejected()] == list(range(1, ROWS + 1, 97))


@pytest.mark.parametrize("number", [1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS])
def test_shares_of_any_length_are_the_whole(tmp_path, table, number):
    export = look(write(tmp_path / "export.csv", table[:number]))
    shares = [list(rows(export, Share(index, 2))) for index in range(2)]
    assert sorted(sum(shares, [])) == list(rows(export))


def test_an_export_that_breaks_off_is_said_as_ever(tmp_path, standard, table):
    path = write(tmp_path / "export.csv", table)
    path.write_text(path.read_text() + '\n"open quote,1')
    with pytest.raises(ContractError, match="quotes"), checked(path, standard, 2):
        pass
    assert not multiprocessing.active_children()


def test_a_process_that_dies_stops_all_of_it(tmp_path, standard, table):
    def kill(_count: int) -> None:
        multiprocessing.active_children()[0].kill()

    with (
        pytest.raises(TransientError, match="nothing was sent"),
        checked(write(tmp_path / "a.csv", table * 9), standard, 2, kill),
    ):
        pass
    assert not multiprocessing.active_children()


def test_a_large_export_is_published_the_same_way(tmp_path, table, monkeypatch):
    """Its bad rows stand in the order of the export, whoever found them."""
    run = tmp_path / "run"
    settings = Settings(run_dir=run, secrets_dir=run / "secrets", keys_dir=run / "keys", schemas_dir=ROOT / "schemas")
    path, found = write(tmp_path / "export.csv", table), {}
    for large in (1 << 30, 0):
        monkeypatch.setattr(publishing, "LARGE_BYTES", large)
        asked = Request(file=str(path), dataset=DATASET, dry_run=True, rejects=tmp_path / f"{large}.csv")
        outcome = publish(asked, settings)
        found[large] = outcome.rows, outcome.reasons, asked.rejects.read_text()
    assert found[0] == found[1 << 30]
    assert len(found[0][-1].splitlines()) == 1 + len(range(0, ROWS, 97))


def test_a_large_export_may_come_from_standard_input(tmp_path, table, monkeypatch):
    """Each process opens it anew, though it has no name."""
    run = tmp_path / "run"
    settings = Settings(run_dir=run, secrets_dir=run / "secrets", keys_dir=run / "keys", schemas_dir=ROOT / "schemas")
    monkeypatch.setattr(publishing, "LARGE_BYTES", 0)
    with write(tmp_path / "export.csv", table).open() as export:
        monkeypatch.setattr("sys.stdin", export)
        asked = Request(file="-", dataset=DATASET, exported_at="2026-01-01T00:00:00Z", dry_run=True, rejects=tmp_path / "bad.csv")
        outcome = publish(asked, settings)
    assert (outcome.rows, outcome.bad) == (ROWS, len(range(0, ROWS, 97)))


def fail(_tell: object) -> None:
    raise ValueError(SECRET)


def test_what_fails_in_a_process_is_said_without_a_value(monkeypatch):
    monkeypatch.setattr("streams.publishing.processes.signal.signal", lambda *_: None)
    here, there = multiprocessing.Pipe(duplex=False)
    with pytest.raises(SystemExit, match="ended with ValueError") as caught:
        _run(fail, (), there)
    assert SECRET not in str(caught.value)
    assert not here.poll()
