"""A backup of a running stack: to an S3, beside maintenance, and by whom."""

import secrets
import shutil

import pyarrow as pa
import pytest
from sqlalchemy import text

from commonweal import maintenance, store
from commonweal.apply.postgres import OWNER
from commonweal.backup.make import backup, load
from commonweal.backup.programs import Programs
from commonweal.backup.restore import verify
from commonweal.backup.sealing import make_identity
from commonweal.backup.targets import Target, open_target
from commonweal.database import engine
from commonweal.errors import AccessDeniedError, CommonwealError, ConfigError, ConflictError, DataLossError, TransientError
from commonweal.lake.catalog import catalog
from commonweal.lake.catalog import load as load_table
from commonweal.lake.keeping import LOCK, all_kept, deleting
from commonweal.lake.names import TableId
from commonweal.lake.tables import create_table
from commonweal.people import Person
from infra.install import postgres_bin

ENGINEER = Person("engineer", None)
BUCKET = "backup-of-a-test"
FORGET = text("delete from iceberg_tables where table_name = :name")
HOLDER = text("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = :key")
LAST = text("select body::jsonb from evidence where action = 'backed_up' order by seq desc limit 1")


def silent(name: str, done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.fixture(scope="module")
def recipient(tmp_path_factory) -> str:
    return make_identity(tmp_path_factory.mktemp("key") / "backup.key")


@pytest.fixture
def target(stack, tmp_path) -> Target:
    """A bucket of the stack's own store, as if it were another one."""
    root = store.client(stack.settings, "root")
    if not root.bucket_exists(bucket_name=BUCKET):
        root.make_bucket(bucket_name=BUCKET)
    secret = tmp_path / "secret"
    shutil.copy(stack.settings.secrets_dir / "minio-root", secret)
    given = {"backup_endpoint": stack.settings.s3_endpoint, "backup_user": "root", "backup_secret_file": secret}
    yield open_target(f"s3://{BUCKET}/kept/here", stack.settings.model_copy(update=given))
    for key in store.object_keys(root, BUCKET):
        root.remove_object(bucket_name=BUCKET, object_name=key)
    root.remove_bucket(bucket_name=BUCKET)


def test_to_an_s3_and_what_is_there_is_not_copied_again(stack, target, recipient):
    programs = Programs(postgres_bin(), stack.settings)
    first = backup(programs, target, recipient, ENGINEER, tell=silent)
    second = backup(programs, target, recipient, ENGINEER, tell=silent)
    assert first.copied == len(first.manifest.objects) > 0
    assert second.copied < first.copied
    manifest, digest = load(target)
    assert (manifest, digest) == (second.manifest, second.digest)
    verify(target, manifest, tell=silent)
    with engine(stack.settings, "pipeline").begin() as connection:
        entry = connection.execute(LAST).scalar_one()
    assert (entry["actor"], entry["details"]["manifest"]) == ("engineer", digest)
    root = store.client(stack.settings, "root")
    root.remove_object(bucket_name=BUCKET, object_name=f"kept/here/{manifest.objects[-1].file.name}")
    with pytest.raises(ConfigError):
        verify(target, manifest, tell=silent)


def test_a_file_of_a_table_that_is_gone_is_no_store_that_is_away(stack, target, recipient):
    table = TableId(("landing", "backuptest", f"gone_{secrets.token_hex(4)}"))
    lake = catalog(stack.settings, "pipeline")
    create_table(stack.settings, lake, table, pa.schema([("n", pa.int64()), ("_accepted", pa.bool_())]))
    bucket, _, key = load_table(lake, table).metadata_location.removeprefix("s3://").partition("/")
    store.client(stack.settings, "root").remove_object(bucket_name=bucket, object_name=key)
    try:
        with pytest.raises(DataLossError, match=f"{table.name}.*is gone from the store; no backup was made"):
            backup(Programs(postgres_bin(), stack.settings), target, recipient, ENGINEER, tell=silent)
        with pytest.raises(ConfigError):
            load(target)
    finally:
        with engine(stack.settings, OWNER).begin() as connection:
            connection.execute(FORGET, {"name": table.name})


def test_only_an_engineer_makes_a_backup(stack, target, recipient):
    for role in ("auditor", "dept_hotline"):
        with pytest.raises(AccessDeniedError, match="an engineer may"):
            backup(Programs(postgres_bin(), stack.settings), target, recipient, Person(role, None), tell=silent)
    assert target.names("backups") == []


@pytest.mark.parametrize("task", maintenance.DELETING)
def test_what_deletes_waits_for_a_backup_and_a_backup_for_what_deletes(stack, task):
    database = engine(stack.settings, "pipeline")
    with all_kept(database):
        with pytest.raises(ConflictError, match="a backup is under way"):
            maintenance.run(task, stack.settings)
        with pytest.raises(ConflictError, match="another backup"), all_kept(database):
            pass
    with deleting(database), deleting(database), pytest.raises(ConflictError, match="maintenance"), all_kept(database):
        pass
    with all_kept(database):
        pass


def test_a_lock_that_was_lost_is_noticed(stack):
    owner = engine(stack.settings, "commonweal")
    with (
        pytest.raises((ConflictError, TransientError)),
        all_kept(engine(stack.settings, "pipeline")),
        owner.begin() as connection,
    ):
        assert connection.execute(HOLDER, {"key": LOCK}).all() == [(True,)]


def test_a_dump_that_fails_leaves_no_backup(stack, target, recipient, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pg_dump").write_text("#!/bin/sh\necho half a dump\nexit 3\n")
    (folder / "pg_dump").chmod(0o755)
    with pytest.raises(CommonwealError, match="pg_dump ended with 3"):
        backup(Programs(folder, stack.settings), target, recipient, ENGINEER, tell=silent)
    assert [name for name in target.names("backups") if name.endswith("manifest.json")] == []
    with all_kept(engine(stack.settings, "pipeline")):
        pass
