"""Publishing up to the point where Kafka begins, on the contracts that are there."""

import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stdnum.cn.ric import calc_check_digit

from commonweal.errors import ConfigError, ContractError
from commonweal.settings import ROOT, Settings
from streams.publish import Request, publish, publishing_secret
from streams.publishing.checking import Checker
from streams.publishing.event import Origin
from streams.publishing.exports import look, rows
from streams.publishing.spool import spool

CASES = "civil_affairs.assistance_case"
HEADER = "案件编号,公民身份号码,救助类别,状态,受理日期,变动日期,终止日期,月救助金额,发放截至日期,行政区划代码"


def resident_id(serial: int) -> str:
    body = f"99010119900307{serial:03d}"
    return body + calc_check_digit(f"{body}0")


def a_line(serial: int, number: str | None = None, amount: str = "620.00") -> str:
    return f"MZ-{serial:04d},{number or resident_id(serial)},低保,在享,2025/1/5,2025-01-05,,{amount},2025-06-30,990101"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    run = tmp_path / "run"
    return Settings(run_dir=run, secrets_dir=run / "secrets", keys_dir=run / "keys", schemas_dir=ROOT / "schemas")


def write(path: Path, lines: list[str], encoding: str = "utf-8") -> Path:
    path.write_bytes("\r\n".join(lines).encode(encoding))
    return path


def check(path: Path, settings: Settings, **more: object):
    return publish(Request(file=str(path), dataset=CASES, dry_run=True, **more), settings)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_an_export_is_read_as_the_department_writes_it(tmp_path, settings, encoding):
    path = write(tmp_path / "cases.csv", [HEADER, *map(a_line, range(50))], encoding)
    outcome = check(path, settings)
    assert (outcome.outcome, outcome.rows, outcome.bad, outcome.rejects) == ("checked", 50, 0, None)


def test_semicolons_gzip_json_lines_and_parquet_hold_the_same_rows(tmp_path, settings):
    lines = [HEADER, *map(a_line, range(20))]
    table = [dict(zip(HEADER.split(","), line.split(","), strict=True)) for line in lines[1:]]
    semicolons = write(tmp_path / "a.csv", [line.replace(",", ";") for line in lines])
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    json_lines = write(tmp_path / "c.jsonl", [json.dumps({k: v for k, v in row.items() if v}) for row in table])
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "d.parquet")
    for path in (semicolons, packed, json_lines, tmp_path / "d.parquet"):
        outcome = check(path, settings)
        assert (outcome.rows, outcome.bad) == (20, 0), outcome.reasons


def test_bad_rows_are_written_down_with_all_their_reasons_and_can_be_published_when_mended(tmp_path, settings):
    path = write(
        tmp_path / "cases.csv", [HEADER, *map(a_line, range(50)), a_line(7, number="1", amount="x").replace("低保", "高保")]
    )
    outcome = check(path, settings)
    assert (outcome.rows, outcome.bad) == (51, 1)
    assert set(outcome.reasons) == {"length:resident_id", "enum:programme_code", "pattern:monthly_amount_cny"}
    rejected = Path(outcome.rejects)
    assert rejected == tmp_path / "cases.rejected.csv" and rejected.stat().st_mode & 0o777 == 0o600
    header, row = rejected.read_text(encoding="utf-8-sig").splitlines()
    assert header == f"_row,_reasons,{HEADER}" and row.startswith("51,") and "高保" in row
    mended = row.replace("高保", "低保").replace(",1,", f",{resident_id(7)},").replace(",x,", ",5,")
    assert check(write(tmp_path / "mended.csv", [header, mended]), settings).bad == 0


def test_too_many_bad_rows_and_nothing_goes(tmp_path, settings):
    path = write(tmp_path / "cases.csv", [HEADER, *map(a_line, range(10)), a_line(11, number="1")])
    with pytest.raises(ContractError, match=r"1 of 11 rows are bad.*nothing was sent") as caught:
        check(path, settings)
    assert caught.value.exit_code == 11
    assert (tmp_path / "cases.rejected.csv").is_file()


def test_no_message_holds_a_value(tmp_path, settings, capsys):
    number = resident_id(3)
    path = write(tmp_path / "cases.csv", [HEADER, a_line(1, number=number[:17] + "Q", amount="sechs")])
    with pytest.raises(ContractError) as caught:
        check(path, settings)
    assert number[:17] not in str(caught.value) and "sechs" not in str(caught.value)
    assert caught.value.__cause__ is None and number[:17] not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (HEADER.replace("案件编号", "编号"), "unknown: 编号; missing: 案件编号"),
        (HEADER + ",电话", "unknown: 电话"),
        (HEADER.replace("终止日期", "变动日期"), "repeated: 变动日期"),
    ],
)
def test_wrong_columns_are_named(tmp_path, settings, header, words):
    with pytest.raises(ContractError, match=words):
        check(write(tmp_path / "cases.csv", [header, a_line(1)]), settings)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", HEADER.encode(), "no row"),
        ("a.xlsx", b"PK", "format can't be told"),
        ("a.csv.gz", gzip.compress(HEADER.encode() * 99, mtime=0)[:60], "gzip"),
        ("a.parquet", b"PAR1", "Parquet"),
        ("a.csv", HEADER.encode() + b'\n"open quote,1', "quotes"),
        ("a.csv", b"\xff\x00\xff\xff\xff", "neither UTF-8 nor GB18030"),
    ],
)
def test_damaged_files_end_with_one_clear_line(tmp_path, settings, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ContractError, match=words):
        check(tmp_path / name, settings)


def test_cells_that_are_too_many_or_too_few_make_a_row_bad(tmp_path, settings):
    path = write(tmp_path / "cases.csv", [HEADER, *map(a_line, range(60)), a_line(61) + ",more", "MZ-1"])
    assert check(path, settings).reasons["cells:_row"] == 2


@pytest.mark.parametrize(
    "option",
    [{"source": "/police"}, {"event_type": "invented"}, {"exported_at": "2999-01-01T00:00:00Z"}, {"exported_at": "gestern"}],
)
def test_wrong_options_are_the_callers_mistake(tmp_path, settings, option):
    with pytest.raises(ConfigError):
        check(write(tmp_path / "cases.csv", [HEADER, a_line(1)]), settings, **option)


def test_a_product_can_not_be_published(tmp_path, settings):
    with pytest.raises(ContractError, match="product"):
        publish(Request(file=str(tmp_path), dataset="data_bureau.benefit_integrity", dry_run=True), settings)


def test_the_publishing_key_is_made_once_and_is_private(settings):
    key = publishing_secret(settings, "civil_affairs")
    assert key == publishing_secret(settings, "civil_affairs") and len(key) == 32
    path = settings.secrets_dir / "publish-civil_affairs"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in settings.secrets_dir.iterdir()] == [path.name]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_standard_input_is_read_from_a_file_without_a_name(tmp_path, settings, monkeypatch, form):
    lines = [HEADER, *map(a_line, range(20))]
    path = write(tmp_path / "cases.csv", lines)
    if form == "parquet":
        table = [dict(zip(HEADER.split(","), line.split(","), strict=True)) for line in lines[1:]]
        pq.write_table(pa.Table.from_pylist(table), path)
    with path.open("rb") as file, io.TextIOWrapper(file) as text:
        monkeypatch.setattr("sys.stdin", text)
        request = Request(file="-", dataset=CASES, dry_run=True, format=form)
        assert publish(request, settings).rows == 20
    assert list((settings.run_dir / "publish" / "civil_affairs").iterdir()) == []


def ids(path: Path, contract, **origin: object) -> list[str]:
    given = {
        "source": "/civil_affairs",
        "event_type": "recorded",
        "exported_at": "2026-01-01T00:00:00Z",
        "id_column": None,
        "secret": b"k" * 32,
    }
    from datetime import UTC, datetime

    checker = Checker(contract, Origin(**(given | origin)), datetime(2026, 1, 2, tzinfo=UTC))
    return [checker.check(row)[0].event_id for row in rows(look(path))]


def test_event_ids_are_stable_and_depend_on_source_content_key_and_export(tmp_path):
    from commonweal.contract.loader import load_contract

    contract = load_contract(ROOT / "schemas", CASES)
    one = write(tmp_path / "one.csv", [HEADER, a_line(1), a_line(2), a_line(1)])
    first = ids(one, contract)
    assert first == ids(one, contract) and first[0] == first[2] != first[1]
    for other in ({"secret": b"x" * 32}, {"source": "/civil_affairs/b"}, {"exported_at": "2026-01-01T00:00:01Z"}):
        assert not set(first) & set(ids(one, contract, **other))
    own = write(tmp_path / "own.csv", [f"ce_id,{HEADER}", f"event-1,{a_line(1)}", f",{a_line(2)}"])
    assert ids(own, contract) == ["event-1", first[1]]


def test_the_spool_has_no_name_and_is_private(tmp_path):
    with spool(tmp_path / "folder"):
        assert list((tmp_path / "folder").iterdir()) == []
        assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
