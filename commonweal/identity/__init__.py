"""Identifiers of persons and organisations: their form, their pseudonyms, and how they are kept sealed.

Nothing here logs, prints or raises with an identifier: a failed check is the name of the rule and nothing else.
"""

from commonweal.identity.identifiers import KINDS, check, holds_resident_id, normalise
from commonweal.identity.keys import (
    Pseudonymiser,
    add_epoch,
    current_epoch,
    ensure_keys,
    load_private_key,
    load_pseudonymiser,
    load_public_key,
)
from commonweal.identity.sealing import Opener, Place, Sealer, unseal

__all__ = [
    "KINDS",
    "Opener",
    "Place",
    "Pseudonymiser",
    "Sealer",
    "add_epoch",
    "check",
    "current_epoch",
    "ensure_keys",
    "holds_resident_id",
    "load_private_key",
    "load_pseudonymiser",
    "load_public_key",
    "normalise",
    "unseal",
]
