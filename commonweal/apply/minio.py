"""MinIO as the contracts want it: buckets, users, policies. No bucket and no object is ever removed."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from minio import Minio, MinioAdmin
from minio.commonconfig import ENABLED
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error
from minio.sseconfig import Rule, SSEConfig
from minio.versioningconfig import SUSPENDED, VersioningConfig

from commonweal.apply.changes import Action, Change, Operation, carry_out
from commonweal.apply.secret_files import ensure_secret, has_secret
from commonweal.errors import ConfigError
from commonweal.render.access import Buckets, minio_policies
from commonweal.settings import Settings
from commonweal.store import client, endpoint, store_errors

ROOT = "root"


def apply_minio(settings: Settings, *, plan: bool) -> list[Change]:
    """Bring buckets, users and policies in line.

    Raises:
        AccessDeniedError: The user ``root`` may not administer the store.
        ConfigError: Address or secret is wrong.
        TransientError: The store is unreachable.
    """
    names = Buckets(settings.bucket_landing, settings.bucket_lakehouse, settings.bucket_reports)
    root, admin = client(settings, ROOT), administrator(settings)
    with store_errors("applying buckets and policies"), _admin_errors():
        changes = carry_out(_buckets(root, (names.landing, names.lakehouse, names.reports)), plan=plan)
        return changes + carry_out(_users(settings, admin, minio_policies(names)), plan=plan)


def administrator(settings: Settings) -> MinioAdmin:
    """The store's administration, as root."""
    address, secure = endpoint(settings)
    login = StaticProvider(ROOT, settings.secret(f"minio-{ROOT}"))
    return MinioAdmin(endpoint=address, credentials=login, region=settings.s3_region, secure=secure)


def _buckets(root: Minio, names: Iterable[str]) -> Iterator[Operation]:
    present = {bucket.name for bucket in root.list_buckets()}
    for name in names:
        if name not in present:
            yield Operation(Change("minio", "create", "bucket", name, "encrypted (SSE-S3)"), partial(_make_bucket, root, name))
            continue
        if root.get_bucket_encryption(bucket_name=name) is None:
            yield Operation(
                Change("minio", "change", "bucket", name, "encrypt new objects (SSE-S3)"), partial(_encrypt, root, name)
            )
        if root.get_bucket_versioning(bucket_name=name).status == ENABLED:
            yield Operation(Change("minio", "change", "bucket", name, "versioning off"), partial(_suspend, root, name))
        if _has_policy(root, name):
            close = partial(root.delete_bucket_policy, bucket_name=name)
            yield Operation(Change("minio", "revoke", "bucket policy", name, "access is by user only"), close)


def _make_bucket(root: Minio, name: str) -> None:
    root.make_bucket(bucket_name=name)
    _encrypt(root, name)


def _encrypt(root: Minio, name: str) -> None:
    root.set_bucket_encryption(bucket_name=name, config=SSEConfig(Rule.new_sse_s3_rule()))


def _suspend(root: Minio, name: str) -> None:
    root.set_bucket_versioning(bucket_name=name, config=VersioningConfig(SUSPENDED))


def _has_policy(root: Minio, name: str) -> bool:
    try:
        return bool(root.get_bucket_policy(bucket_name=name))
    except S3Error as error:
        if error.code == "NoSuchBucketPolicy":
            return False
        raise


def _users(settings: Settings, admin: MinioAdmin, wanted: dict[str, dict[str, Any]]) -> Iterator[Operation]:
    users, policies = json.loads(admin.user_list()), json.loads(admin.policy_list())
    for user, document in wanted.items():
        policy = policy_name(user)
        if policy not in policies or _meaning(policies[policy]) != _meaning(document):
            action: Action = "change" if policy in policies else "create"
            yield Operation(Change("minio", action, "policy", policy), partial(admin.policy_add, policy, policy=document))
        yield from _login(settings, admin, user, known=user in users)
        if users.get(user, {}).get("policyName") != policy:
            yield Operation(
                Change("minio", "grant", "policy", f"{user} has {policy} alone"), partial(admin.policy_set, policy, user=user)
            )


def policy_name(user: str) -> str:
    """Name of a user's policy in MinIO."""
    return f"commonweal-{user}"


def _meaning(document: dict[str, Any]) -> set[tuple[str, frozenset[str], frozenset[str], str]]:
    # The server gives lists back in an order of its own.
    return {
        (
            part["Effect"],
            frozenset(part["Action"]),
            frozenset(part["Resource"]),
            json.dumps(part.get("Condition", {}), sort_keys=True),
        )
        for part in document["Statement"]
    }


def _login(settings: Settings, admin: MinioAdmin, user: str, *, known: bool) -> Iterator[Operation]:
    store = partial(_store_user, settings, admin, user)
    if not known:
        yield Operation(Change("minio", "create", "user", user), store)
    elif not has_secret(settings, f"minio-{user}") or not _accepts(settings, user):
        yield Operation(Change("minio", "change", "user", user, "disabled, or its key is not the one in its secret file"), store)


def _store_user(settings: Settings, admin: MinioAdmin, user: str) -> None:
    admin.user_add(user, ensure_secret(settings, f"minio-{user}"))


def _accepts(settings: Settings, user: str) -> bool:
    try:
        client(settings, user).get_bucket_policy(bucket_name=settings.bucket_reports)
    except S3Error as error:
        return error.code not in ("SignatureDoesNotMatch", "InvalidAccessKeyId")
    return True


@contextmanager
def _admin_errors() -> Iterator[None]:
    try:
        yield
    except MinioAdminException as error:
        # Its text holds the server's answer; the status says enough.
        raise ConfigError(f"MinIO refused an administrative request (HTTP {error._code}); user root must administer it") from None
