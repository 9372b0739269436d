"""Whether two snapshots of a table say what changed between them: only where rows were appended and marked as deleted."""

from types import SimpleNamespace

import pytest
from pyiceberg.table.snapshots import Operation, Snapshot, Summary

from commonweal.lake.releases import Release
from commonweal.steps import changes
from commonweal.steps.changes import added_since


def snapshot(number: int, parent: int | None, operation: Operation | None, **counts: int) -> Snapshot:
    given = {name.replace("_", "-"): str(count) for name, count in counts.items()}
    summary = Summary(operation, **given) if operation else None
    times = {"sequence_number": number, "timestamp_ms": number}
    return Snapshot(snapshot_id=number, parent_snapshot_id=parent, manifest_list="", summary=summary, **times)


def table(*snapshots: Snapshot) -> SimpleNamespace:
    """Stands for a table's metadata, of which only its snapshots are asked for."""
    return SimpleNamespace(snapshot_by_id={found.snapshot_id: found for found in snapshots}.get)


FIRST = snapshot(1, None, Operation.APPEND, added_records=1000)
APPENDED = snapshot(2, 1, Operation.APPEND, added_records=7)


@pytest.mark.parametrize(
    ("later", "added"),
    [
        ([], 7),
        ([snapshot(3, 2, Operation.DELETE, added_delete_files=1, added_position_deletes=5)], 7),
        ([snapshot(3, 2, Operation.OVERWRITE, added_delete_files=1)], 7),
        ([snapshot(3, 2, Operation.APPEND, added_records=3), snapshot(4, 3, Operation.APPEND)], 10),
        ([snapshot(3, 2, Operation.REPLACE, added_data_files=1, deleted_data_files=9, added_records=1007)], 7),
        ([snapshot(3, 2, Operation.OVERWRITE, added_data_files=1, deleted_data_files=9, added_records=1007)], None),
        ([snapshot(3, 2, Operation.DELETE, deleted_data_files=1)], None),
        ([snapshot(3, 2, Operation.OVERWRITE, added_data_files=1, added_records=1)], None),
        ([snapshot(3, 2, None)], None),
    ],
)
def test_appended_rows_are_counted_and_anything_else_says_nothing(later, added):
    assert added_since(table(FIRST, APPENDED, *later), 1, [APPENDED, *later][-1].snapshot_id) == added


def test_the_same_snapshot_has_nothing_more():
    assert added_since(table(FIRST, APPENDED), 2, 2) == 0


@pytest.mark.parametrize(("was", "now"), [(2, 1), (9, 2), (1, 9)])
def test_a_snapshot_that_the_other_does_not_come_from_says_nothing(was, now):
    assert added_since(table(FIRST, APPENDED), was, now) is None


def test_a_snapshot_between_them_that_is_gone_says_nothing():
    assert added_since(table(FIRST, snapshot(3, 2, Operation.APPEND, added_records=1)), 1, 3) is None


def release(digest: str = "today", epoch: int | None = 1) -> Release:
    texts = dict.fromkeys(("contract_version", "suite_digest", "code_version", "quality_digest"), "")
    tables = {"snapshots": {"current": 1}, "rows": {"current": 1000}}
    return Release(
        "d.s", 1, "c", "g", counts={}, offsets={}, inputs={}, contract_digest=digest, key_epoch=epoch, **tables, **texts
    )


@pytest.mark.parametrize(
    ("was", "now", "kind", "added", "says"),
    [
        (release(), release(), "source", 100, True),
        (release("old"), release(), "source", 100, False),
        (release("old"), release("old"), "source", 100, False),
        (release(epoch=None), release(), "source", 100, False),
        (release(), release(), "product", 100, False),
        (release(), release(), "source", 101, False),
        (release(), release(), "source", None, False),
    ],
)
def test_two_releases_of_one_contract_and_one_key_say_what_changed(monkeypatch, was, now, kind, added, says):
    """By another contract other columns may be the key, and under another epoch everybody has another pseudonym."""
    source = SimpleNamespace(kind=kind, digest="today", tables=("current",), department="d", name="s")
    monkeypatch.setattr(changes, "load", lambda *_: SimpleNamespace(metadata=None))
    monkeypatch.setattr(changes, "added_since", lambda *_: added)
    assert changes._only_grew(SimpleNamespace(contract=lambda _: source, lake=None), was, now) is says
