"""The one room for objects in S3 that are not tables: the gate's reports."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from commonweal.errors import AccessDeniedError, CommonwealError, ConfigError, TransientError
from commonweal.settings import Settings

TIMEOUT_SECONDS = 30.0

_DENIED = {"AccessDenied"}
_WRONG_LOGIN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed"}
_MISSING = {"NoSuchBucket", "NoSuchKey"}


def client(settings: Settings, user: str) -> Minio:
    """A client for a user, whose secret key is the secret ``minio-<user>``. Connects at its first request.

    The region is given, since a limited user may not ask for it.

    Raises:
        ConfigError: Address or secret is missing.
    """
    address, secure = endpoint(settings)
    pool = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=urllib3.Retry(2, backoff_factor=0.2))
    return Minio(
        endpoint=address,
        access_key=user,
        secret_key=settings.secret(f"minio-{user}"),
        secure=secure,
        region=settings.s3_region,
        http_client=pool,
    )


def endpoint(settings: Settings) -> tuple[str, bool]:
    """The object store's ``host:port``, and whether it speaks TLS.

    Raises:
        ConfigError: It is missing or not a URL.
    """
    address = urllib3.util.parse_url(settings.s3_endpoint)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise ConfigError("COMMONWEAL_S3_ENDPOINT is not an http(s) URL; start the stack or set it")
    return address.netloc, address.scheme == "https"


def list_objects(store: Minio, bucket: str, prefix: str) -> Iterator[tuple[str, datetime]]:
    """The keys that begin with the prefix, each with the time when it was written.

    Raises:
        AccessDeniedError, ConfigError, TransientError: As ``put_object``.
    """
    with store_errors(f"listing {bucket}"):
        for found in store.list_objects(bucket, prefix=prefix, recursive=True):
            if found.object_name and found.last_modified:
                yield found.object_name, found.last_modified


def put_object(store: Minio, bucket: str, key: str, content: bytes, *, content_type: str) -> None:
    """Write an object; one of that key is replaced.

    Raises:
        AccessDeniedError: The user may not write there.
        TransientError: The store is unreachable.
    """
    with store_errors(f"writing to bucket {bucket}"):
        store.put_object(
            bucket_name=bucket, object_name=key, data=io.BytesIO(content), length=len(content), content_type=content_type
        )


def get_object(store: Minio, bucket: str, key: str) -> bytes:
    """Read an object.

    Raises:
        ConfigError: There is none of that key.
        AccessDeniedError: The user may not read there.
        TransientError: The store is unreachable.
    """
    with store_errors(f"reading from bucket {bucket}"):
        answer = store.get_object(bucket_name=bucket, object_name=key)
        try:
            return bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()


def object_keys(store: Minio, bucket: str, prefix: str = "") -> list[str]:
    """Keys of all objects that start with ``prefix``, in order.

    Raises:
        AccessDeniedError: The user may not list there.
        TransientError: The store is unreachable.
    """
    with store_errors(f"listing bucket {bucket}"):
        return [item.object_name or "" for item in store.list_objects(bucket_name=bucket, prefix=prefix, recursive=True)]


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn the client's errors into the platform's, by their true cause.

    Args:
        what: What was being done, for the message: ``"reading from bucket reports"``.

    Raises:
        ConfigError: Address, login, bucket or key is wrong.
        AccessDeniedError: The user lacks a right.
        TransientError: The store is unreachable or failed.
    """
    try:
        yield
    except S3Error as error:
        raise _translated(error, what) from None
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise TransientError(
            f"{what}: the object store is unreachable ({type(error).__name__}); see: commonweal stack status"
        ) from None


def _translated(error: S3Error, what: str) -> CommonwealError:
    code = error.code or "no code"
    if code in _DENIED:
        return AccessDeniedError(
            f"{what}: denied by the object store; policies follow the contracts, see: commonweal apply --plan"
        )
    if code in _WRONG_LOGIN:
        return ConfigError(f"{what}: the object store refuses the login ({code}); check the user's secret file")
    if code in _MISSING:
        return ConfigError(f"{what}: the object store has none such ({code}); run: commonweal apply")
    if error.response.status < 500:
        return ConfigError(f"{what}: the object store refused the request ({code}); see its log")
    return TransientError(f"{what}: the object store failed ({code}); see: commonweal stack status")
