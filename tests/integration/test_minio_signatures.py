"""MinIO refuses what the three open CVEs of its last release let through.

Each test sends the attack itself, so each fails against a server built without ``infra/minio/forged-signatures.patch``: there the
forged uploads answer 200 and the object is there to read, and the marked object can be written, but never read again.

- CVE-2026-40344: a Snowball upload (an archive that the server unpacks) with unsigned trailers is not verified at all.
- CVE-2026-41145: an upload with unsigned trailers whose credential stands in the query, not in a header, is not verified at all.
- CVE-2026-34204: headers of replication become an object's internal metadata, so any writer can make an object unreadable.

Who forges knows an access key's id, which is no secret: it stands in each presigned URL. The attacker's key is invented.
"""

import base64
import hashlib
import hmac
import http.client
import io
import tarfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

import pytest
from minio import Minio

from commonweal.settings import Settings
from commonweal.store import client, endpoint, get_object, object_keys, put_object

BUCKET = "lakehouse"
PREFIX = "forged_signatures"
VICTIM = "spark"
PAYLOAD = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
TRAILER = "x-amz-checksum-crc32"
SIGNED = "host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-trailer"
CONTENT = b"forged by somebody who knows a name"


@pytest.fixture
def root(stack) -> Iterator[Minio]:
    """The administrator's client; what a test left under the prefix is removed after it."""
    administrator = client(stack.settings, "root")
    yield administrator
    for key in object_keys(administrator, BUCKET, f"{PREFIX}/"):
        administrator.remove_object(bucket_name=BUCKET, object_name=key)


def scope(settings: Settings, now: datetime) -> str:
    return f"{VICTIM}/{now:%Y%m%d}/{settings.s3_region}/s3/aws4_request"


def chunked(content: bytes) -> bytes:
    """A body as an SDK sends it with unsigned trailers: one chunk, the end, a checksum."""
    checksum = base64.b64encode(zlib.crc32(content).to_bytes(4, "big"))
    return f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n" + TRAILER.encode() + b":" + checksum + b"\r\n\r\n"


def streaming_headers(content: bytes, now: datetime) -> dict[str, str]:
    return {
        "x-amz-content-sha256": PAYLOAD,
        "x-amz-trailer": TRAILER,
        "x-amz-decoded-content-length": str(len(content)),
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
        "content-encoding": "aws-chunked",
    }


def authorization(settings: Settings, now: datetime, signature: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential={scope(settings, now)}, SignedHeaders={SIGNED}, Signature={signature}"


def credential_query(settings: Settings, now: datetime) -> dict[str, str]:
    """A presigned URL's query with a signature of nothing but ``f``."""
    return {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": scope(settings, now),
        "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
        "X-Amz-Expires": "3600",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": "f" * 64,
    }


def send(settings: Settings, method: str, target: str, body: bytes, headers: dict[str, str]) -> int:
    address, secure = endpoint(settings)
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(address, timeout=30)
    try:
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def archive(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        entry = tarfile.TarInfo(name)
        entry.size = len(CONTENT)
        packed.addfile(entry, io.BytesIO(CONTENT))
    return file.getvalue()


def is_refused(status: int) -> bool:
    return 400 <= status < 500


def test_the_request_is_well_formed_a_true_signature_is_accepted(stack, root):
    """Without this, the refusals below could come from a mistake in the requests."""
    settings, now, key = stack.settings, datetime.now(UTC), f"{PREFIX}/signed.txt"
    headers = streaming_headers(CONTENT, now) | {"host": endpoint(settings)[0]}
    signature = sign(settings, now, f"/{BUCKET}/{key}", headers)
    headers["authorization"] = authorization(settings, now, signature)
    assert send(settings, "PUT", f"/{BUCKET}/{key}", chunked(CONTENT), headers) == 200
    assert get_object(root, BUCKET, key) == CONTENT


def sign(settings: Settings, now: datetime, path: str, headers: dict[str, str]) -> str:
    """The signature of AWS (version 4) over the headers named in ``SIGNED``."""
    canonical = "\n".join(["PUT", path, "", *(f"{name}:{headers[name]}" for name in SIGNED.split(";")), "", SIGNED, PAYLOAD])
    credential = scope(settings, now).split("/", 1)[1]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], credential, digest])
    key = f"AWS4{settings.secret(f'minio-{VICTIM}')}".encode()
    for part in (*credential.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def test_a_forged_header_is_refused(stack, root):
    settings, now, key = stack.settings, datetime.now(UTC), f"{PREFIX}/header.txt"
    headers = streaming_headers(CONTENT, now) | {"authorization": authorization(settings, now, "f" * 64)}
    assert is_refused(send(settings, "PUT", f"/{BUCKET}/{key}", chunked(CONTENT), headers))
    assert object_keys(root, BUCKET, f"{PREFIX}/") == []


def test_a_forged_query_is_refused(stack, root):
    settings, now, key = stack.settings, datetime.now(UTC), f"{PREFIX}/query.txt"
    target = f"/{BUCKET}/{key}?{urlencode(credential_query(settings, now))}"
    assert is_refused(send(settings, "PUT", target, chunked(CONTENT), streaming_headers(CONTENT, now)))
    assert object_keys(root, BUCKET, f"{PREFIX}/") == []


def test_a_forged_part_is_refused(stack, root):
    settings, now, key = stack.settings, datetime.now(UTC), f"{PREFIX}/part.txt"
    upload = root._create_multipart_upload(bucket_name=BUCKET, object_name=key, headers={})
    query = credential_query(settings, now) | {"partNumber": "1", "uploadId": upload}
    target = f"/{BUCKET}/{quote(key)}?{urlencode(query)}"
    assert is_refused(send(settings, "PUT", target, chunked(CONTENT), streaming_headers(CONTENT, now)))
    assert root._list_parts(bucket_name=BUCKET, object_name=key, upload_id=upload).parts == []
    root._abort_multipart_upload(bucket_name=BUCKET, object_name=key, upload_id=upload)


@pytest.mark.parametrize("place", ["header", "query"])
def test_a_forged_archive_is_refused(stack, root, place):
    settings, now, packed = stack.settings, datetime.now(UTC), archive(f"{PREFIX}/unpacked.txt")
    headers = streaming_headers(packed, now) | {"x-amz-meta-snowball-auto-extract": "true"}
    target = f"/{BUCKET}/{PREFIX}/archive.tar"
    if place == "header":
        headers["authorization"] = authorization(settings, now, "f" * 64)
    else:
        target += f"?{urlencode(credential_query(settings, now))}"
    # As it is: the server that has the fault reads the archive without undoing any chunks.
    assert is_refused(send(settings, "PUT", target, packed, headers))
    assert object_keys(root, BUCKET, f"{PREFIX}/") == []


REPLICATION = {
    "X-Minio-Replication-Server-Side-Encryption-Sealed-Key": "aW52ZW50ZWQ=",
    "X-Minio-Replication-Server-Side-Encryption-Seal-Algorithm": "DAREv2-HMAC-SHA256",
    "X-Minio-Replication-Server-Side-Encryption-Iv": "aW52ZW50ZWQ=",
}


def test_headers_of_replication_do_not_make_an_object_unreadable(stack, root):
    writer, key = client(stack.settings, VICTIM), f"{PREFIX}/marked.txt"
    address = urlsplit(writer.presigned_put_object(bucket_name=BUCKET, object_name=key))
    assert send(stack.settings, "PUT", f"{address.path}?{address.query}", CONTENT, REPLICATION) == 200
    assert get_object(root, BUCKET, key) == CONTENT


def test_an_unsigned_request_is_refused(stack, root):
    put_object(root, BUCKET, f"{PREFIX}/private.txt", CONTENT, content_type="text/plain")
    for method in ("GET", "PUT", "DELETE"):
        assert send(stack.settings, method, f"/{BUCKET}/{PREFIX}/private.txt", b"", {}) == 403
