"""Secrets of a stack: made at the first start, one file each, mode 0600, never overwritten."""

import base64
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

KAFKA = ("admin", "landing", "watch", "announce", "repair")
POSTGRES = ("commonweal", "spark", "pipeline", "watch", "announce", "query", "airflow", "engineer", "auditor")
MINIO = ("root", "spark", "pipeline", "query", "auditor")
AIRFLOW = ("engineer", "auditor", "watch", "jwt", "api")


def secret_names(departments: Iterable[str]) -> list[str]:
    """Every secret's name, those of the departments included."""
    ids = sorted(departments)
    return [
        *(f"kafka-{name}" for name in (*KAFKA, *(f"dept-{dept}" for dept in ids))),
        *(f"postgres-{name}" for name in (*POSTGRES, *(f"dept_{dept}" for dept in ids))),
        *(f"minio-{name}" for name in MINIO),
        *(f"airflow-{name}" for name in AIRFLOW),
        "airflow-fernet",
        "minio-kms",
        "spark-token",
        "spark-cluster",
    ]


def ensure_secrets(run_dir: Path, departments: Iterable[str]) -> Path:
    """Create each secret that is missing.

    Args:
        run_dir: The run folder.
        departments: Ids of the departments; each gets a Kafka principal and a database role.

    Returns:
        The folder of the secrets, mode 0700.
    """
    folder = private_folder(run_dir / "secrets")
    for name in secret_names(departments):
        create_once(folder / name, _maker(name))
    return folder


def private_folder(path: Path) -> Path:
    """The folder, made if missing, that only its owner may enter."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def create_once(path: Path, make: Callable[[], str]) -> None:
    """Write a secret file whole or not at all; an existing one is left as it is, also when two processes start at once."""
    if path.exists():
        return
    staged = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    write_private(staged, make())
    try:
        os.link(staged, path)
    except FileExistsError:
        return
    finally:
        staged.unlink()


def write_private(path: Path, text: str) -> Path:
    """Write a file that is never, not even for a moment, readable by others, or half written."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    staged.replace(path)
    return path


def _maker(name: str) -> Callable[[], str]:
    if name == "airflow-fernet":
        return lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    if name == "minio-kms":
        return lambda: base64.b64encode(secrets.token_bytes(32)).decode()
    if name in ("airflow-jwt", "airflow-api"):
        return lambda: secrets.token_hex(32)
    return lambda: secrets.token_hex(16)  # 128 bits, safe in every syntax, within MinIO's 40 characters
