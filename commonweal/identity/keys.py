"""The key files: one secret of pseudonyms per epoch, and the pair of keys that seals what must stay readable by few.

Files in the keys folder (mode 0700), each of mode 0600: ``epoch`` (number of the current epoch), ``pseudonym.<epoch>.key``
(32 random bytes), ``sealing.public`` and ``sealing.private`` (X25519, raw). Only landing may read the pseudonym keys; the
private sealing key is for repairs and rotation.
"""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from commonweal.errors import ConfigError

_KEY_BYTES = 32
_PERSON = "resident_id"


@dataclass(frozen=True)
class Pseudonymiser:
    """Turns identifiers into pseudonyms of one epoch; the key never shows in a representation."""

    epoch: int
    key: bytes = field(repr=False)

    def pseudonym(self, kind: str, normalised: str) -> str:
        """``HMAC-SHA256(key[epoch], normalised id)`` in hex.

        A resident id is the whole message. The kind goes before every other identifier, because a credit code may be made
        of 18 digits that are a valid resident id too, and the two must not meet in one pseudonym.
        """
        hashed = self._keyed.copy()
        hashed.update((normalised if kind == _PERSON else f"{kind}:{normalised}").encode())
        return hashed.finalize().hex()

    @cached_property
    def _keyed(self) -> HMAC:
        # The key is hashed once: a copy of this takes a third of the time of a digest from the start.
        return HMAC(self.key, SHA256())


def ensure_keys(keys_dir: Path) -> None:
    """Make the folder and whatever key is missing; existing keys are left as they are."""
    keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (keys_dir / "epoch").exists():
        _write(keys_dir / "pseudonym.1.key", os.urandom(_KEY_BYTES))
        _write(keys_dir / "epoch", b"1\n")
    if not (keys_dir / "sealing.private").exists():
        private = X25519PrivateKey.generate()
        _write(keys_dir / "sealing.public", private.public_key().public_bytes_raw())
        _write(keys_dir / "sealing.private", private.private_bytes_raw())


def add_epoch(keys_dir: Path) -> int:
    """Make the key of the next epoch and make it current; earlier keys stay.

    Returns:
        The number of the new epoch.
    """
    epoch = current_epoch(keys_dir) + 1
    _write(keys_dir / f"pseudonym.{epoch}.key", os.urandom(_KEY_BYTES))
    _write(keys_dir / "epoch", f"{epoch}\n".encode())
    return epoch


def load_pseudonymiser(keys_dir: Path, epoch: int | None = None) -> Pseudonymiser:
    """The pseudonymiser of an epoch, by default the current one.

    Raises:
        ConfigError: A key file is missing, has a wrong size, or others may read it.
    """
    number = current_epoch(keys_dir) if epoch is None else epoch
    return Pseudonymiser(epoch=number, key=_read_key(keys_dir / f"pseudonym.{number}.key"))


def load_public_key(keys_dir: Path) -> X25519PublicKey:
    """The key to which rejected payloads and identifiers are sealed.

    Raises:
        ConfigError: The key file is missing, has a wrong size, or others may read it.
    """
    return X25519PublicKey.from_public_bytes(_read_key(keys_dir / "sealing.public"))


def load_private_key(keys_dir: Path) -> X25519PrivateKey:
    """The key that opens what was sealed; reading with it is an act that goes into the evidence log first.

    Raises:
        ConfigError: The key file is missing, has a wrong size, or others may read it.
    """
    return X25519PrivateKey.from_private_bytes(_read_key(keys_dir / "sealing.private"))


def current_epoch(keys_dir: Path) -> int:
    """The number of the newest epoch that has a key.

    Raises:
        ConfigError: The file is missing, holds no number, or others may read it.
    """
    try:
        return int(_read(keys_dir / "epoch"))
    except ValueError:
        raise ConfigError(f"{keys_dir / 'epoch'} holds no number; restore it from the copy of the keys") from None


def _read_key(path: Path) -> bytes:
    content = _read(path)
    if len(content) != _KEY_BYTES:
        raise ConfigError(f"{path} isn't a key of {_KEY_BYTES} bytes; restore it from the copy of the keys")
    return content


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ConfigError(f"key file {path} is missing; start the stack once, or restore the keys")
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"key file {path} may be read by others; run: chmod 600 {path}")
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    # A reader sees the old file or the new one, never half of it; the mode is right from the first byte.
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
