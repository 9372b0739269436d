"""Pseudonyms of landed rows under another key."""

import pyarrow as pa
import pytest

from commonweal.decoding import BatchDecoder
from commonweal.decoding.rotation import rotated
from commonweal.errors import ConfigError
from commonweal.identity import Opener, Sealer, add_epoch, load_private_key, load_pseudonymiser, load_public_key
from tests.unit.decoding.conftest import a_batch


@pytest.fixture(scope="module")
def landed(contract, keys, headers, document):
    """Accepted rows, one without an identifier that the contract would have wanted, and a rejected one."""
    records = [(headers, document), (headers | {"ce_id": "event-2"}, document | {"case_no": "C2"}), (headers, b"no document")]
    sealer = Sealer(load_public_key(keys), contract.id)
    batch = a_batch(records, contract.topic)
    return batch, BatchDecoder(contract, load_pseudonymiser(keys, 1), sealer).decode(batch)


@pytest.fixture(scope="module")
def turn(contract, keys):
    add_epoch(keys)
    opener = Opener(load_private_key(keys), contract.id)

    def run(batch: pa.RecordBatch, epoch: int) -> pa.RecordBatch:
        return rotated(batch, contract=contract, pseudonymiser=load_pseudonymiser(keys, epoch), opener=opener)

    return run


def test_rows_are_as_if_they_had_landed_under_the_new_key(landed, turn, contract, keys):
    batch, before = landed
    after = turn(before, 2)
    sealer = Sealer(load_public_key(keys), contract.id)
    fresh = BatchDecoder(contract, load_pseudonymiser(keys, 2), sealer).decode(batch)
    assert after.drop_columns(["_sealed"]).equals(fresh.drop_columns(["_sealed"]))
    assert after.column("_sealed").equals(before.column("_sealed"))
    assert after.column("person_key")[0] != before.column("person_key")[0]
    assert after.column("_accepted").to_pylist() == [True, True, False]


def test_there_and_back_is_where_it_was(landed, turn):
    assert turn(turn(landed[1], 2), 1).equals(landed[1])


def test_a_key_that_is_no_new_one_is_refused(landed, turn):
    with pytest.raises(ConfigError, match="person_key: 2 pseudonyms would stay"):
        turn(landed[1], 1)


def test_a_pseudonym_without_its_sealed_identifier_is_refused(landed, turn):
    without = landed[1].set_column(landed[1].schema.get_field_index("_sealed"), "_sealed", pa.nulls(3, pa.binary()))
    with pytest.raises(ConfigError, match="person_key: 2 pseudonyms have no sealed identifier"):
        turn(without, 2)
