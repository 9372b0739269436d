import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal.errors import ConfigError
from commonweal.identity import (
    Place,
    Pseudonymiser,
    Sealer,
    add_epoch,
    ensure_keys,
    load_private_key,
    load_pseudonymiser,
    load_public_key,
    unseal,
)

ID = "990101199003070021"
PLACE = Place("a.b.v1", 0, 7)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    ensure_keys(tmp_path / "keys")
    return tmp_path / "keys"


def test_keys_are_made_once_and_are_private(keys: Path) -> None:
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    ensure_keys(keys)
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    assert set(before) == {"epoch", "pseudonym.1.key", "sealing.public", "sealing.private"}
    assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}
    assert keys.stat().st_mode & 0o777 == 0o700


def test_a_pseudonym_is_the_hmac_of_the_number_alone(keys: Path) -> None:
    key = (keys / "pseudonym.1.key").read_bytes()
    found = load_pseudonymiser(keys).pseudonym("resident_id", ID)
    assert found == hmac.new(key, ID.encode(), hashlib.sha256).hexdigest()
    assert found != load_pseudonymiser(keys).pseudonym("credit_code", ID)


def test_a_new_epoch_gives_other_pseudonyms_and_keeps_the_old_key(keys: Path) -> None:
    first = load_pseudonymiser(keys)
    assert add_epoch(keys) == 2
    assert load_pseudonymiser(keys).pseudonym("resident_id", ID) != first.pseudonym("resident_id", ID)
    assert load_pseudonymiser(keys, epoch=1) == first


def test_a_key_is_in_no_representation() -> None:
    assert "k" * 32 not in repr(Pseudonymiser(1, b"k" * 32))


def test_a_key_that_others_may_read_is_refused(keys: Path) -> None:
    (keys / "pseudonym.1.key").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_pseudonymiser(keys)


def test_a_missing_key_is_named(keys: Path) -> None:
    with pytest.raises(ConfigError, match=r"pseudonym\.9\.key"):
        load_pseudonymiser(keys, epoch=9)


@given(st.binary(max_size=2000))
def test_sealed_opens_only_where_it_stood(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    keys = tmp_path_factory.getbasetemp() / "sealing"
    ensure_keys(keys)
    sealed = Sealer(load_public_key(keys), "a.b").seal(content, PLACE)
    private = load_private_key(keys)
    assert unseal(private, sealed, "a.b", PLACE) == content
    for dataset, place in (
        ("a.c", PLACE),
        ("a.b", PLACE._replace(offset=8)),
        ("a.b", PLACE._replace(partition=1)),
        ("a.b", PLACE._replace(topic="t")),
    ):
        with pytest.raises(ConfigError):
            unseal(private, sealed, dataset, place)


def test_every_changed_byte_is_noticed(keys: Path) -> None:
    sealed = Sealer(load_public_key(keys), "a.b").seal(b"content", PLACE)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(ConfigError):
            unseal(load_private_key(keys), bytes(changed), "a.b", PLACE)


def test_two_sealings_share_nothing_but_the_version_and_the_batch(keys: Path) -> None:
    sealer = Sealer(load_public_key(keys), "a.b")
    one, two, other = sealer.seal(b"same", PLACE), sealer.seal(b"same", PLACE), sealer.renewed().seal(b"same", PLACE)
    assert one[:81] == two[:81] and one[81:] != two[81:]
    assert one[:81] != other[:81]


def test_what_is_sealed_together_opens_each_at_its_own_place_and_under_its_own_nonce(keys: Path) -> None:
    places = [Place("a.b.v1", 0, offset) for offset in range(50)]
    texts = [None if place.offset % 7 == 3 else b"the same" for place in places]
    sealed = Sealer(load_public_key(keys), "a.b").seal_all(texts, places)
    private = load_private_key(keys)
    opened = [value and unseal(private, value, "a.b", place) for value, place in zip(sealed, places, strict=True)]
    assert opened == texts
    nonces = [value[81:93] for value in sealed if value]
    assert len(set(nonces)) == len(nonces) == 43
