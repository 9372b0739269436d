"""MinIO: one folder or several drives as object store, encryption at rest, no console."""

import http.client
from pathlib import Path

from infra.install import minio
from infra.stack.layout import REGION, Layout
from infra.stack.program import Launch

ROOT_USER = "root"
KEY_NAME = "commonweal"


def launch_minio(layout: Layout) -> Launch:
    """The server; root's secret and the key of SSE-S3 are in its environment only."""
    for drive in drives(layout):
        drive.mkdir(parents=True, exist_ok=True)
    environment = {
        "MINIO_ROOT_USER": ROOT_USER,
        "MINIO_ROOT_PASSWORD": layout.secret("minio-root"),
        "MINIO_KMS_SECRET_KEY": f"{KEY_NAME}:{layout.secret('minio-kms')}",
        "MINIO_SITE_REGION": REGION,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "GOMEMLIMIT": "256MiB",
        "HOME": str(layout.data("")),
        # Drives that are folders of one disk: else it takes none that is on the same disk as the system.
        "MINIO_ROOTDRIVE_THRESHOLD_SIZE": "1",
    }
    return Launch((str(minio()), *arguments(layout)), environment)


def arguments(layout: Layout) -> tuple[str, ...]:
    """Where the server listens, and its drives."""
    return ("server", "--address", f"127.0.0.1:{layout.ports['minio']}", *map(str, drives(layout)))


def drives(layout: Layout) -> list[Path]:
    """The folders over which the store spreads each object; a single one holds them whole."""
    if layout.profile.drives == 1:
        return [layout.data("minio")]
    return [layout.data("minio") / f"drive-{number}" for number in range(1, layout.profile.drives + 1)]


def is_ready(layout: Layout) -> bool:
    """Whether the server says that it can read and write its folder."""
    connection = http.client.HTTPConnection("127.0.0.1", layout.ports["minio"], timeout=5)
    try:
        connection.request("GET", "/minio/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
