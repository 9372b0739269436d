"""The one room for objects in S3 by key: the gate's reports, and whatever is backed up or restored."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, cast

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from commonweal.errors import AccessDeniedError, CommonwealError, ConfigError, TransientError
from commonweal.settings import Settings

TIMEOUT_SECONDS = 30.0

_DENIED = {"AccessDenied"}
_FULL = {"XMinioStorageFull"}
_WRONG_LOGIN = "the object store refuses the login ({code}); check the user's secret file"
_MISSING = "the object store has none such ({code}); run: commonweal apply"
_WRONG = {
    "InvalidAccessKeyId": _WRONG_LOGIN,
    "SignatureDoesNotMatch": _WRONG_LOGIN,
    "AuthorizationHeaderMalformed": _WRONG_LOGIN,
    "NoSuchBucket": _MISSING,
    "NoSuchKey": _MISSING,
    "RequestTimeTooSkewed": "the object store takes no request, since this machine's clock and its own are over 15 minutes "
    "apart ({code}); set both clocks",
}


@dataclass(frozen=True)
class Address:
    """An S3 and a login; the secret key never shows in a representation."""

    endpoint: str
    region: str
    user: str
    secret: str = field(repr=False)


def client(settings: Settings, user: str) -> Minio:
    """A client for a user, whose secret key is the secret ``minio-<user>``. Connects at its first request.

    Raises:
        ConfigError: Address or secret is missing.
    """
    return connect(Address(settings.s3_endpoint, settings.s3_region, user, settings.secret(f"minio-{user}")))


def connect(address: Address) -> Minio:
    """A client of any S3. The region is given, since a limited user may not ask for it.

    Raises:
        ConfigError: The endpoint is not a URL.
    """
    place, secure = _endpoint(address.endpoint)
    pool = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=urllib3.Retry(2, backoff_factor=0.2))
    return Minio(
        endpoint=place,
        access_key=address.user,
        secret_key=address.secret,
        secure=secure,
        region=address.region,
        http_client=pool,
    )


def endpoint(settings: Settings) -> tuple[str, bool]:
    """The object store's ``host:port``, and whether it speaks TLS.

    Raises:
        ConfigError: It is missing or not a URL.
    """
    return _endpoint(settings.s3_endpoint)


def _endpoint(url: str) -> tuple[str, bool]:
    address = urllib3.util.parse_url(url)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise ConfigError("COMMONWEAL_S3_ENDPOINT (of a backup: COMMONWEAL_BACKUP_ENDPOINT) is not an http(s) URL; set it")
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


@contextmanager
def stream_object(store: Minio, bucket: str, key: str) -> Iterator[BinaryIO]:
    """An object's bytes as a stream, within the block.

    Raises:
        AccessDeniedError, ConfigError, TransientError: As ``get_object``.
    """
    with store_errors(f"reading from bucket {bucket}"):
        answer = store.get_object(bucket_name=bucket, object_name=key)
        try:
            yield cast(BinaryIO, answer)
        finally:
            answer.close()
            answer.release_conn()


def object_about(store: Minio, bucket: str, key: str) -> tuple[str, str]:
    """An object's entity tag and content type.

    Raises:
        AccessDeniedError, ConfigError, TransientError: As ``get_object``.
    """
    with store_errors(f"reading from bucket {bucket}"):
        found = store.stat_object(bucket_name=bucket, object_name=key)
        return (found.etag or "").strip('"'), found.content_type or "application/octet-stream"


def object_size(store: Minio, bucket: str, key: str) -> int | None:
    """Bytes of an object, or None when there is none.

    Raises:
        AccessDeniedError, ConfigError, TransientError: As ``get_object``.
    """
    with store_errors(f"reading from bucket {bucket}"):
        try:
            return store.stat_object(bucket_name=bucket, object_name=key).size
        except S3Error as error:
            if error.code == "NoSuchKey":
                return None
            raise


def upload(store: Minio, bucket: str, key: str, content: BinaryIO, *, content_type: str = "application/octet-stream") -> None:
    """Write an open file as an object, from its beginning to its end.

    Raises:
        AccessDeniedError, ConfigError, TransientError: As ``put_object``.
    """
    length = content.seek(0, io.SEEK_END)
    content.seek(0)
    with store_errors(f"writing to bucket {bucket}"):
        store.put_object(bucket_name=bucket, object_name=key, data=content, length=length, content_type=content_type)


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
    if code in _FULL:
        return TransientError(f"{what}: the object store's disk is full; nothing is lost, make room, then it goes on by itself")
    if code in _WRONG or error.response.status < 500:
        why = _WRONG.get(code, "the object store refused the request ({code}); see its log")
        return ConfigError(f"{what}: {why.format(code=code)}")
    return TransientError(f"{what}: the object store failed ({code}); see: commonweal stack status")
