"""What runs in a Python worker of the landing's Spark, the one place that may read the keys of pseudonyms.

A module of its own, since each new worker imports what its function stands beside: with the steps' catalogs and clients that took
a second of a worker's life, with this a quarter.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from commonweal.contract.model import Contract

if TYPE_CHECKING:
    import pyarrow as pa


def decode_batches(contract: Contract, key_epoch: int | None, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    """Decode records of Kafka.

    Args:
        contract: The source.
        key_epoch: Under which pseudonyms are made; None where there are none.
        batches: As ``BatchDecoder.decode`` takes them.

    Yields:
        Landing rows.
    """
    from commonweal.decoding import BatchDecoder
    from commonweal.identity import Sealer, load_pseudonymiser, load_public_key
    from commonweal.settings import load_settings

    keys = load_settings().keys_dir
    pseudonymiser, sealer = load_pseudonymiser(keys, key_epoch), Sealer(load_public_key(keys), contract.id)
    decoder = BatchDecoder(contract, pseudonymiser, sealer)
    for batch in batches:
        yield decoder.decode(batch)


def rotate_batches(contract: Contract, epoch: int, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    """Make the pseudonyms of landing rows anew from the sealed identifiers; reads the private key too.

    Args:
        contract: The source.
        epoch: Of the key to make them with.
        batches: Landing rows.

    Yields:
        The rows under that key.
    """
    from commonweal.decoding.rotation import rotated
    from commonweal.identity import Opener, load_private_key, load_pseudonymiser
    from commonweal.settings import load_settings

    keys = load_settings().keys_dir
    pseudonymiser, opener = load_pseudonymiser(keys, epoch), Opener(load_private_key(keys), contract.id)
    for batch in batches:
        yield rotated(batch, contract=contract, pseudonymiser=pseudonymiser, opener=opener)
