"""Envelope sealing: what only the holder of the private key may read, bound to the place where it stands.

A sealed value is ``version (1) | data key sealed by HPKE (80) | nonce (12) | AES-256-GCM ciphertext``. HPKE (RFC 9180) with
X25519, HKDF-SHA256 and AES-256-GCM seals one random data key per batch; each row has its own random nonce. Dataset, topic,
partition and offset are authenticated, so that a sealed value moved to another row doesn't open.
"""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from commonweal.errors import ConfigError

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_VERSION = b"\x01"
_KEY_END = 1 + 80
_NONCE_BYTES = 12
_NONCE_END = _KEY_END + _NONCE_BYTES
_KEY_BYTES = 32


class Place(NamedTuple):
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int


class Sealer:
    """Seals values of one dataset under one data key."""

    def __init__(self, public_key: X25519PublicKey, dataset: str) -> None:
        self._public_key = public_key
        self._dataset = dataset
        data_key = os.urandom(_KEY_BYTES)
        self._cipher = AESGCM(data_key)
        self._head = _VERSION + _SUITE.encrypt(data_key, public_key, info=_info(dataset))

    def renewed(self) -> "Sealer":
        """A sealer with a fresh data key: one per batch keeps random nonces far from ever meeting."""
        return Sealer(self._public_key, self._dataset)

    def seal(self, plaintext: bytes, place: Place) -> bytes:
        """The plaintext sealed for that place."""
        return self._sealed(os.urandom(_NONCE_BYTES), plaintext, place)

    def seal_all(self, plaintexts: Sequence[bytes | None], places: Iterable[Place]) -> list[bytes | None]:
        """Each plaintext sealed for its place; None where there is none."""
        drawn = os.urandom(_NONCE_BYTES * len(plaintexts))
        nonces = (drawn[start : start + _NONCE_BYTES] for start in range(0, len(drawn), _NONCE_BYTES))
        return [
            None if plaintext is None else self._sealed(nonce, plaintext, place)
            for nonce, plaintext, place in zip(nonces, plaintexts, places, strict=True)
        ]

    def _sealed(self, nonce: bytes, plaintext: bytes, place: Place) -> bytes:
        return self._head + nonce + self._cipher.encrypt(nonce, plaintext, _associated(self._dataset, place))


class Opener:
    """Opens what was sealed for one dataset; the data key of a batch is opened once."""

    def __init__(self, private_key: X25519PrivateKey, dataset: str) -> None:
        self._private_key = private_key
        self._dataset = dataset
        self._cipher = lru_cache(maxsize=1024)(self._open_head)

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The plaintext of a sealed value.

        Raises:
            ConfigError: The value was sealed to another key, for another place or dataset, or was changed.
        """
        if sealed[:1] != _VERSION or len(sealed) < _NONCE_END:
            text = "the value isn't sealed in a known version; read it with a newer release of the software"
            raise ConfigError(f"{self._dataset}: {text}")
        try:
            cipher = self._cipher(sealed[:_KEY_END])
            return cipher.decrypt(sealed[_KEY_END:_NONCE_END], sealed[_NONCE_END:], _associated(self._dataset, place))
        except InvalidTag:
            text = f"the sealed value at {place} doesn't open; it was sealed to another key, for another place, or changed"
            raise ConfigError(f"{self._dataset}: {text}") from None

    def _open_head(self, head: bytes) -> AESGCM:
        return AESGCM(_SUITE.decrypt(head[len(_VERSION) :], self._private_key, info=_info(self._dataset)))


def unseal(private_key: X25519PrivateKey, sealed: bytes, dataset: str, place: Place) -> bytes:
    """The plaintext of a sealed value.

    Raises:
        ConfigError: The value was sealed to another key, for another place or dataset, or was changed.
    """
    return Opener(private_key, dataset).open(sealed, place)


def _info(dataset: str) -> bytes:
    return f"commonweal sealed 1\0{dataset}".encode()


def _associated(dataset: str, place: Place) -> bytes:
    return f"{dataset}\0{place[0]}\0{place[1]}\0{place[2]}".encode()
