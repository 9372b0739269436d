"""Files of a backup, encrypted with age to a public key: whoever makes backups can't read them."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import pyrage

from commonweal.backup.manifest import File
from commonweal.backup.targets import Target
from commonweal.errors import ConfigError, TransientError

CHUNK = 1 << 20


def make_identity(path: Path) -> str:
    """Make a private key in a new file of mode 0600.

    Returns:
        Its public half, the recipient of backups.

    Raises:
        ConfigError: The file is there already.
    """
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path} is there already, and backups may depend on it; choose another name") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(f"# public key: {recipient}\n{identity}\n")
    return recipient


def read_identity(path: Path) -> Any:  # noqa: ANN401 - the library has no types
    """The private key of a file, as ``make_identity`` or ``age-keygen`` writes it.

    Raises:
        ConfigError: The file is missing, readable by others, or holds no key.
    """
    if not path.is_file() or path.stat().st_mode & 0o077:
        raise ConfigError(f"the private key {path} is missing or readable by others; bring it here, mode 0600")
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    try:
        return pyrage.x25519.Identity.from_str(lines[0])
    except (pyrage.IdentityError, IndexError):
        raise ConfigError(f"{path} holds no age private key (AGE-SECRET-KEY-1…)") from None


def read_recipient(text: str) -> Any:  # noqa: ANN401 - the library has no types
    """The public key that a person named.

    Raises:
        ConfigError: It isn't one.
    """
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise ConfigError("the recipient is no age public key (age1…); make a pair with: commonweal backup keygen FILE") from None


@contextmanager
def workspace() -> Iterator[Path]:
    """A private folder for one encrypted file on its way; nothing plain is ever written to it."""
    with TemporaryDirectory(prefix="commonweal-backup-") as folder:
        yield Path(folder)


def keep(target: Target, name: str, content: IO[bytes], recipient: Any) -> File:  # noqa: ANN401
    """Encrypt a stream into a file of the target."""
    with workspace() as folder:
        path = folder / "sealed"
        try:
            with path.open("wb") as sealed:
                pyrage.encrypt_io(content, sealed, [recipient])
        except (pyrage.EncryptError, OSError):
            raise TransientError(
                f"{name}: its source could not be read to the end, or the disk is full; run the backup again"
            ) from None
        target.write(name, path)
        return File(name=name, size=path.stat().st_size, sha256=_digest(path))


def unseal(target: Target, file: File, identity: Any, out: IO[bytes]) -> None:  # noqa: ANN401
    """Decrypt a file of the target into a stream.

    Raises:
        ConfigError: It is encrypted to another key, or was changed.
    """
    with target.read(file.name) as content:
        try:
            pyrage.decrypt_io(content, out, [identity])
        except pyrage.DecryptError:
            text = f"{file.name} does not open with this private key: it belongs to another recipient, or the file was changed"
            raise ConfigError(text) from None
        except OSError as error:
            if str(error) == "decryption error":  # a changed or a cut off part, in the library's words
                raise ConfigError(f"{file.name} was changed or cut off; use another backup or another copy of this one") from None
            raise TransientError(
                f"{file.name}: its content could not be taken ({error.strerror or type(error).__name__})"
            ) from None


def check(target: Target, file: File) -> None:
    """Read a file whole, and compare it with the manifest.

    Raises:
        ConfigError: It is missing, shorter or longer, or changed.
    """
    hashed, size = hashlib.sha256(), 0
    with target.read(file.name) as content:
        while chunk := content.read(CHUNK):
            hashed.update(chunk)
            size += len(chunk)
    if size != file.size:
        raise ConfigError(f"{file.name} has {size} bytes, the manifest says {file.size}; use another backup or another copy")
    if hashed.hexdigest() != file.sha256:
        raise ConfigError(f"{file.name} was changed since the backup; use another backup or another copy of this one")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
