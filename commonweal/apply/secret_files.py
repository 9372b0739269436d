"""Secrets of principals that the contracts bring: made where they are missing, never printed, never replaced."""

import os
import secrets
from pathlib import Path

from commonweal.errors import ConfigError
from commonweal.settings import Settings


def has_secret(settings: Settings, name: str) -> bool:
    """Whether the secret's file exists."""
    return (settings.secrets_dir / name).is_file()


def ensure_secret(settings: Settings, name: str) -> str:
    """The secret, generated into a new file of mode 0600 when there is none.

    The keys to the systems themselves (``kafka-admin``, ``postgres-commonweal``, ``minio-root``) are never made here: with the
    wrong folder in the settings, apply fails at them before it could give anybody a new password.

    Raises:
        ConfigError: There is none, and the folder can't be written: where secrets are only handed in, this one was left out.
    """
    if not has_secret(settings, name):
        try:
            _create(settings.secrets_dir / name)
        except OSError as error:
            raise ConfigError(
                f"secret {name} is missing and can't be made in {settings.secrets_dir} ({error.strerror}); put it there"
            ) from None
    return settings.secret(name)


def _create(path: Path) -> None:
    """Write the file whole or not at all: an empty one left by a crash would be taken for the secret."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(16))  # 128 bits, within the 40 characters that MinIO takes
    try:
        os.link(staged, path)
    except FileExistsError:
        return  # another process was first, and its secret holds
    finally:
        staged.unlink()
