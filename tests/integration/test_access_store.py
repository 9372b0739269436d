"""What MinIO itself allows and denies each user, after ``apply``: the matrix of users, places and actions."""

import io
from collections.abc import Callable, Iterator

import pytest
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error

from commonweal.apply.minio import _make_bucket
from commonweal.errors import AccessDeniedError, ConfigError
from commonweal.render.access import MINIO_USERS
from commonweal.store import client, endpoint, get_object, object_keys, put_object

FOREIGN = "access-test"
PLACES = {
    ("landing", "access_test/paper/data/a.parquet"): {"spark": "get put delete"},
    ("landing", "access_test/paper/metadata/a.json"): {"spark": "get put delete", "pipeline": "get put delete"},
    ("lakehouse", "access_test/paper/data/a.parquet"): {"spark": "get put delete", "query": "get"},
    ("lakehouse", "access_test/paper/metadata/a.json"): {
        "spark": "get put delete",
        "pipeline": "get put delete",
        "query": "get",
    },
    ("lakehouse", "history/access_test/paper/metadata/a.json"): {
        "spark": "get put delete",
        "pipeline": "get put delete",
        "query": "get",
    },
    ("reports", "access_test.paper/1.html"): {"pipeline": "get put", "auditor": "get"},
    (FOREIGN, "a/metadata/a.json"): {},
}
LISTS = {
    "spark": {"landing", "lakehouse"},
    "pipeline": {"landing", "lakehouse", "reports"},
    "auditor": {"reports"},
    "query": set(),
}


@pytest.fixture(scope="module")
def root(stack) -> Iterator[Minio]:
    """The administrator's client; one object lies at each place, and is gone at the end."""
    administrator = client(stack.settings, "root")
    administrator.make_bucket(bucket_name=FOREIGN)
    for bucket, key in PLACES:
        put_object(administrator, bucket, key, b"invented", content_type="text/plain")
    yield administrator
    for bucket, key in PLACES:
        administrator.remove_object(bucket_name=bucket, object_name=key)
    administrator.remove_bucket(bucket_name=FOREIGN)


def may(action: Callable[[], object]) -> bool:
    try:
        action()
    except S3Error as error:
        assert error.code == "AccessDenied", error.code
        return False
    return True


def actions(user: Minio, root: Minio, bucket: str, key: str) -> set[str]:
    """What the user can really do with the object; afterwards it lies there as before."""
    content = io.BytesIO(b"invented")
    tries = {
        "get": lambda: user.get_object(bucket_name=bucket, object_name=key).close(),
        "put": lambda: user.put_object(bucket_name=bucket, object_name=key, data=content, length=8),
        "delete": lambda: user.remove_object(bucket_name=bucket, object_name=key),
    }
    done = {name for name, action in tries.items() if may(action)}
    put_object(root, bucket, key, b"invented", content_type="text/plain")
    return done


@pytest.mark.parametrize("user", MINIO_USERS)
@pytest.mark.parametrize(("bucket", "key"), PLACES)
def test_each_user_has_its_places_and_no_others(stack, root, user, bucket, key):
    assert actions(client(stack.settings, user), root, bucket, key) == set(PLACES[bucket, key].get(user, "").split())


@pytest.mark.parametrize("user", MINIO_USERS)
@pytest.mark.parametrize("bucket", ["landing", "lakehouse", "reports", FOREIGN])
@pytest.mark.usefixtures("root")
def test_each_user_lists_what_it_must(stack, user, bucket):
    listing = client(stack.settings, user)
    assert may(lambda: list(listing.list_objects(bucket_name=bucket))) == (bucket in LISTS[user])


@pytest.mark.parametrize("user", MINIO_USERS)
@pytest.mark.usefixtures("root")
def test_no_user_administers(stack, user):
    limited = client(stack.settings, user)
    assert not may(lambda: limited.make_bucket(bucket_name="access-test-more"))
    assert not may(lambda: limited.delete_bucket_policy(bucket_name="reports"))
    assert not may(lambda: limited.delete_bucket_encryption(bucket_name="landing"))
    address, secure = endpoint(stack.settings)
    login = StaticProvider(user, stack.settings.secret(f"minio-{user}"))
    admin = MinioAdmin(endpoint=address, credentials=login, secure=secure, region=stack.settings.s3_region)
    for action in (admin.user_list, admin.policy_list, lambda: admin.user_add("intruder", "intruder-secret")):
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            action()


def test_objects_are_encrypted_at_rest(root):
    for bucket, key in PLACES:
        encrypted = root.stat_object(bucket_name=bucket, object_name=key).metadata.get("x-amz-server-side-encryption") == "AES256"
        assert encrypted == (bucket != FOREIGN)


def test_a_bucket_is_made_encrypted(root):
    name, key = "access-test-encrypted", "a.txt"
    _make_bucket(root, name)
    try:
        put_object(root, name, key, b"invented", content_type="text/plain")
        metadata = root.stat_object(bucket_name=name, object_name=key).metadata
    finally:
        root.remove_object(bucket_name=name, object_name=key)
        root.remove_bucket(bucket_name=name)
    assert metadata.get("x-amz-server-side-encryption") == "AES256"


@pytest.mark.usefixtures("root")
def test_the_store_says_what_is_wrong(stack, tmp_path):
    auditor = client(stack.settings, "auditor")
    assert "access_test.paper/1.html" in object_keys(auditor, "reports")
    with pytest.raises(AccessDeniedError):
        put_object(auditor, "reports", "access_test.paper/1.html", b"", content_type="text/html")
    with pytest.raises(ConfigError, match="NoSuchKey"):
        get_object(auditor, "reports", "access_test.paper/none.html")
    (tmp_path / "minio-auditor").write_text("not the one")
    (tmp_path / "minio-auditor").chmod(0o600)
    stranger = client(stack.settings.model_copy(update={"secrets_dir": tmp_path}), "auditor")
    with pytest.raises(ConfigError, match="SignatureDoesNotMatch"):
        get_object(stranger, "reports", "access_test.paper/1.html")
