"""The commit function on the real catalog and database: whole or not at all, one winner, fenced losers, lost answers resolved."""

import secrets
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import create_engine, event, text

from commonweal import evidence
from commonweal.apply.postgres import OWNER
from commonweal.database import database_url, engine
from commonweal.errors import ConflictError, FencedError
from commonweal.lake import lease as leases
from commonweal.lake.catalog import catalog, create_branch, head, load
from commonweal.lake.commit import Change, RefMove, commit, is_committed
from commonweal.lake.lease import Lease
from commonweal.lake.names import MAIN, TableId, attempt_branch
from commonweal.lake.tables import create_table

FORGET = text("delete from iceberg_tables where table_name = any(:names)")


@pytest.fixture(scope="module")
def database(stack):
    return engine(stack.settings, "pipeline")


@pytest.fixture(scope="module")
def lake(stack):
    return catalog(stack.settings, "pipeline")


@pytest.fixture(scope="module")
def writer(stack):
    """The catalog as the identity that writes data: the pipeline itself may only write metadata."""
    return catalog(stack.settings, "spark")


@pytest.fixture
def tables(stack, lake):
    """Two new tables with a first snapshot, gone afterwards: by a mutated commit one may have lost its metadata."""
    import pyarrow as pa

    made = [TableId(("landing", "committest", f"{name}_{secrets.token_hex(4)}")) for name in ("one", "two")]
    for table in made:
        create_table(stack.settings, lake, table, pa.schema([("n", pa.int64()), ("_accepted", pa.bool_())]))
    yield made
    with engine(stack.settings, OWNER).begin() as connection:
        connection.execute(FORGET, {"names": [table.name for table in made]})


def dataset_of(tables: list[TableId]) -> str:
    return f"committest.{tables[0].name}"


def write_branch(lake, writer, table: TableId, branch: str, rows: int = 3) -> int:
    """Rows of an attempt, on its own branch."""
    import pyarrow as pa

    create_branch(lake, table, branch, head(lake, table, MAIN))
    loaded = load(writer, table)
    loaded.append(pa.table({"n": list(range(rows)), "_accepted": [True] * rows}), branch=branch)
    return head(lake, table, branch)


def change_of(lake, writer, tables, lease: Lease, *, rows=lambda connection: None) -> Change:
    """A change that moves ``main`` of all tables to what the attempt wrote."""
    name = attempt_branch(lease.epoch)
    moves = []
    for table in tables:
        base, written = head(lake, table, MAIN), write_branch(lake, writer, table, name)
        moves += [RefMove(table, MAIN, base, written), RefMove(table, name, written, None)]
    return Change(name, "test", lease, tuple(moves), rows, evidence.Entry("test", "tested", lease.dataset, {"attempt": name}))


def rows_of(writer, table: TableId) -> int:
    """Counted by who may read data files: the pipeline reads metadata only."""
    return load(writer, table).scan().to_arrow().num_rows


def evidence_of(database, dataset: str) -> int:
    with database.begin() as connection:
        return connection.execute(text("select count(*) from evidence where dataset = :d"), {"d": dataset}).scalar_one()


def test_all_tables_move_together_and_the_branch_is_gone(database, lake, writer, tables):
    with leases.held(database, dataset_of(tables), "test", seconds=30) as lease:
        change = change_of(lake, writer, tables, lease)
        commit(database, lake, change)
    assert [rows_of(writer, table) for table in tables] == [3, 3]
    assert all(change.id not in load(lake, table).metadata.refs for table in tables)
    assert evidence_of(database, dataset_of(tables)) == 1
    assert is_committed(database, change)


def test_a_conflict_in_one_table_changes_neither(database, lake, writer, tables):
    with leases.held(database, dataset_of(tables), "test", seconds=30) as lease:
        change = change_of(lake, writer, tables, lease)
        write_main_behind_its_back(writer, tables[1])
        with pytest.raises(ConflictError, match="nothing changed"):
            commit(database, lake, change)
    assert [rows_of(writer, table) for table in tables] == [0, 1]
    assert evidence_of(database, dataset_of(tables)) == 0


def write_main_behind_its_back(writer, table: TableId) -> None:
    import pyarrow as pa

    load(writer, table).append(pa.table({"n": [9], "_accepted": [True]}))


def test_another_ref_that_moves_meanwhile_is_no_conflict(stack, lake, writer, tables):
    """Spark writes other attempts' branches all the time: between staging and swapping, the pointer moves, the refs don't."""
    meddled, own = [], create_engine(database_url(stack.settings, "pipeline"))
    with leases.held(own, dataset_of(tables), "test", seconds=30) as lease:
        change = change_of(lake, writer, tables, lease)

        @event.listens_for(own, "begin")
        def meddle(connection):
            if not meddled:
                meddled.append(write_branch(lake, writer, tables[0], "someone_else"))

        commit(own, lake, change)
    assert meddled, "nothing moved meanwhile: the test shows nothing"
    assert [rows_of(writer, table) for table in tables] == [3, 3]
    assert "someone_else" in load(lake, tables[0]).metadata.refs


def test_a_stale_epoch_is_fenced_out(database, lake, writer, tables):
    dataset = dataset_of(tables)
    with leases.held(database, dataset, "first", seconds=30) as lease:
        change = change_of(lake, writer, tables, lease)
        expire(database, dataset)
        with leases.held(database, dataset, "second", seconds=30) as newer:
            assert newer.epoch == lease.epoch + 1
            with pytest.raises(FencedError):
                commit(database, lake, change)
    assert [rows_of(writer, table) for table in tables] == [0, 0]


def expire(database, dataset: str) -> None:
    with database.begin() as connection:
        connection.execute(text("update lease set expires_at = clock_timestamp() where dataset = :d"), {"d": dataset})


def test_the_same_attempt_never_commits_twice(database, lake, writer, tables):
    with leases.held(database, dataset_of(tables), "test", seconds=30) as lease:
        change = change_of(lake, writer, tables, lease)
        commit(database, lake, change)
        again = replace(change, moves=())
        commit(database, lake, again)
    assert evidence_of(database, dataset_of(tables)) == 1


def test_rows_that_refuse_undo_everything(database, lake, writer, tables):
    dataset = {"d": dataset_of(tables)}

    def refuse(connection):
        connection.execute(text("insert into hold (dataset, person, reason) values (:d, 'p', 'r')"), dataset)
        raise ConflictError("no")

    with leases.held(database, dataset["d"], "test", seconds=30) as lease:
        change = change_of(lake, writer, tables, lease, rows=refuse)
        files = metadata_files(lake, tables[0])
        with pytest.raises(ConflictError, match="no"):
            commit(database, lake, change)
    assert rows_of(writer, tables[0]) == 0
    assert metadata_files(lake, tables[0]) == files, "staged metadata of a commit that is known to have lost stays behind"
    with database.begin() as connection:
        assert connection.execute(text("select 1 from hold where dataset = :d"), dataset).first() is None


def metadata_files(lake, table: TableId) -> int:
    from pyarrow.fs import FileSelector

    loaded = load(lake, table)
    files = loaded.io.fs_by_scheme("s3", None)
    place = loaded.metadata.location.removeprefix("s3://") + "/metadata"
    return sum(info.base_name.endswith("metadata.json") for info in files.get_file_info(FileSelector(place)))


def test_an_answer_lost_after_commit_is_read_not_guessed(stack, lake, writer, tables):
    """The connection dies after the server has committed: the client sees an error, the data says yes."""
    doomed = create_engine(database_url(stack.settings, "pipeline"), pool_pre_ping=True)
    armed = []

    @event.listens_for(doomed, "commit")
    def lose_the_answer(connection):
        if armed:
            armed.clear()
            driver = connection.connection.driver_connection
            driver.pgconn.send_query(b"commit")
            while driver.pgconn.is_busy():
                driver.pgconn.consume_input()
            driver.pgconn.finish()

    with leases.held(doomed, dataset_of(tables), "test", seconds=30) as lease:
        change = change_of(lake, writer, tables, lease, rows=lambda connection: armed.append(True))
        commit(doomed, lake, change)
    assert not armed, "the answer was never lost: the test shows nothing"
    assert [rows_of(writer, table) for table in tables] == [3, 3]


def test_two_leases_of_one_dataset_are_never_held_at_once(database):
    dataset = f"committest.lease_{secrets.token_hex(4)}"
    with leases.held(database, dataset, "first", seconds=60), pytest.raises(ConflictError, match="another run holds"):
        leases._take(database, dataset, "second", -5)


def test_a_freed_lease_is_taken_at_once(database):
    dataset = f"committest.lease_{secrets.token_hex(4)}"
    take = partial(leases.held, database, dataset, "x", seconds=60)
    with take() as first:
        pass
    with take() as second:
        assert second.epoch == first.epoch + 1
