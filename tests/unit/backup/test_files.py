"""Files of a backup: whole or not at all, readable with the private key only, and every change is noticed."""

import io
import os

import pytest

from commonweal.backup.make import load, names
from commonweal.backup.manifest import FORMAT, File, Manifest, Object, Topic, read, written
from commonweal.backup.sealing import check, keep, make_identity, read_identity, read_recipient, unseal
from commonweal.backup.targets import Folder, open_target
from commonweal.errors import ConfigError, TransientError
from commonweal.settings import Settings

PLAIN = os.urandom(300_000)


@pytest.fixture
def pair(tmp_path):
    recipient = make_identity(tmp_path / "backup.key")
    return read_recipient(recipient), read_identity(tmp_path / "backup.key")


@pytest.fixture
def target(tmp_path):
    return Folder(tmp_path / "target")


def opened(target, file: File, identity) -> bytes:
    out = io.BytesIO()
    unseal(target, file, identity, out)
    return out.getvalue()


def test_what_is_kept_comes_back(target, pair, tmp_path):
    file = keep(target, "objects/a/b.age", io.BytesIO(PLAIN), pair[0])
    assert opened(target, file, pair[1]) == PLAIN
    check(target, file)
    stored = tmp_path / "target" / file.name
    assert PLAIN[:100] not in stored.read_bytes()
    assert stored.stat().st_mode & 0o077 == 0
    assert target.names("objects") == [file.name]


@pytest.mark.parametrize("harm", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""])
def test_a_changed_file_is_noticed_with_and_without_the_key(target, pair, tmp_path, harm):
    file = keep(target, "x.age", io.BytesIO(PLAIN), pair[0])
    path = tmp_path / "target" / "x.age"
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ConfigError, match="x.age"):
        check(target, file)
    with pytest.raises(ConfigError, match="x.age"):
        opened(target, file, pair[1])


def test_a_missing_file_is_named(target, pair):
    file = File(name="objects/gone.age", size=1, sha256="0" * 64)
    with pytest.raises(ConfigError, match="lacks the file objects/gone.age"):
        check(target, file)


def test_another_key_opens_nothing(target, pair, tmp_path):
    file = keep(target, "x.age", io.BytesIO(PLAIN), pair[0])
    make_identity(tmp_path / "other.key")
    with pytest.raises(ConfigError, match="does not open with this private key"):
        opened(target, file, read_identity(tmp_path / "other.key"))


def test_a_source_that_breaks_off_leaves_no_file(target, pair):
    class Broken(io.RawIOBase):
        def read(self, size=-1):
            raise OSError("gone")

    with pytest.raises(TransientError, match="could not be read"):
        keep(target, "x.age", Broken(), pair[0])
    assert target.size("x.age") is None


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x"])
def test_a_name_that_leads_out_of_the_target_is_refused(target, name):
    with pytest.raises(ConfigError, match="outside"):
        target.size(name)


def test_a_private_key_is_never_overwritten_nor_read_when_others_may(tmp_path):
    path = tmp_path / "backup.key"
    make_identity(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="there already"):
        make_identity(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="readable by others"):
        read_identity(path)
    with pytest.raises(ConfigError, match="no age public key"):
        read_recipient("age1nonsense")


MANIFEST = Manifest(
    format=FORMAT,
    name="20260101T000000000000Z",
    made_at="2026-01-01T00:00:00+00:00",
    code_version="abc",
    schema_version="0001",
    recipient="age1",
    evidence_seq=3,
    evidence_hash="ff",
    database=File(name="d", size=1, sha256="aa"),
    secrets=File(name="s", size=1, sha256="bb"),
    objects=(Object(bucket="b", key="k", etag="e", content_type="c", file=File(name="o", size=1, sha256="cc")),),
    topics=(Topic(dataset="a.b", topic="a.b.v1", topic_id="i", landed={"0": 4}, unlanded=0, since="2026-01-01T00:00:00+00:00"),),
)


def test_a_manifest_comes_back_and_lists_every_file():
    assert read(written(MANIFEST)) == MANIFEST
    assert [file.name for file in MANIFEST.files] == ["d", "s", "o"]


@pytest.mark.parametrize("content", [b"", b"{}", written(MANIFEST)[:-9], written(MANIFEST).replace(b'"size": 1', b'"size": "1"')])
def test_a_damaged_manifest_is_refused(content):
    with pytest.raises(ConfigError, match="damaged"):
        read(content)


def test_a_later_format_is_refused_by_its_number():
    with pytest.raises(ConfigError, match="format 2"):
        read(written(MANIFEST.model_copy(update={"format": 2})))


def test_a_backup_without_a_manifest_does_not_count(target, tmp_path):
    for name in ("20260101T000000000000Z", "20260102T000000000000Z", "20260103T000000000000Z"):
        folder = tmp_path / "target" / "backups" / name
        folder.mkdir(parents=True)
        (folder / "database.age").touch()
        if name < "20260103":
            (folder / "manifest.json").write_bytes(written(MANIFEST.model_copy(update={"name": name})))
    assert len(names(target)) == 2
    assert load(target)[0].name == "20260102T000000000000Z"
    assert load(target, "20260101T000000000000Z")[0].name == "20260101T000000000000Z"
    with pytest.raises(ConfigError, match="no finished backup 20260103"):
        load(target, "20260103T000000000000Z")


def test_s3_needs_an_endpoint_and_a_private_secret_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="COMMONWEAL_BACKUP_ENDPOINT"):
        open_target("s3://bucket/prefix", Settings(run_dir=tmp_path))
    settings = Settings(run_dir=tmp_path, backup_endpoint="http://127.0.0.1:1", backup_user="keeper", backup_secret_file=secret)
    with pytest.raises(ConfigError, match="readable by others"):
        open_target("s3://bucket/prefix", settings)
