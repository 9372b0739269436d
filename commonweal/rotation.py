"""Rotation of the pseudonym key: every landed pseudonym is made anew from the identifier that is sealed beside it.

Each dataset moves by itself, in one commit of its landing table and its epoch. Clean, gate and release follow as for any other
change; until a product's inputs stand under one epoch, its readers keep what they have. A rotation that was interrupted goes on
where it was when it is started again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from commonweal import epochs, evidence
from commonweal.contract.model import Contract
from commonweal.database import database_errors
from commonweal.errors import ConflictError, ContractError
from commonweal.identity import add_epoch, current_epoch
from commonweal.lake import lease as leases
from commonweal.lake.catalog import create_branch, drop_branch, head
from commonweal.lake.commit import Change, RefMove, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import MAIN, attempt_branch, landing_table
from commonweal.lake.spark import at
from commonweal.people import Person, may_decide_for_all
from commonweal.ports import Ports
from commonweal.steps.run import outside_errors

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Standing:
    """Under which epoch a dataset stands.

    Attributes:
        dataset: The dataset's id.
        landed: Epoch of what has landed; None when nothing has.
        released: Epoch of what people read; None when nothing was released.
    """

    dataset: str
    landed: int | None
    released: int | None


def standings(ports: Ports) -> list[Standing]:
    """Every dataset with pseudonyms, sources and products, sorted by id."""
    from commonweal.lake.releases import current_release

    found = []
    for dataset in sorted(ports.contracts):
        released = current_release(ports.engine, dataset)
        epoch = released.key_epoch if released else None
        if ports.contracts[dataset].has_pseudonyms or epoch is not None:
            found.append(Standing(dataset, epochs.dataset_epoch(ports.engine, dataset), epoch))
    return found


def rotate(ports: Ports, person: Person, *, reason: str) -> Iterator[Standing]:
    """Give the key a new epoch and move every source with pseudonyms to it; or go on with a rotation that was interrupted.

    Yields:
        Each dataset when it has moved.

    Raises:
        AccessDeniedError: Only an engineer may: the key is one for all departments; the refusal is in the evidence.
        ContractError: A contract is broken; nothing was rotated.
        ConfigError: A key is missing, or a pseudonym has no sealed identifier; that dataset stays as it was.
        ConflictError, TransientError: As the commit function; the datasets that have moved stay so, start it again.
    """
    may_decide_for_all(ports.engine, person, "rotate_keys")
    if ports.broken:
        raise ContractError(
            f"{', '.join(sorted(ports.broken))}: a broken contract, whose pseudonyms would stay under the old key; mend it first"
        )
    sources = [contract for contract in ports.contracts.values() if contract.has_pseudonyms and contract.kind == "source"]
    epoch = _target(ports, sources, person, reason)
    busy = []
    for contract in sources:
        owner = f"{person.role}/rotate"
        try:
            with leases.held(ports.engine, contract.id, owner, seconds=ports.settings.lease_seconds) as lease:
                if epochs.dataset_epoch(ports.engine, contract.id) != epoch:
                    _rotate(contract, ports, lease, epoch=epoch, person=person, reason=reason)
        except ConflictError:
            busy.append(contract.id)
            continue
        yield next(found for found in standings(ports) if found.dataset == contract.id)
    if busy:
        raise ConflictError(f"{', '.join(busy)}: busy, and still under the old key; the others have moved; start it again")


def _target(ports: Ports, sources: Iterable[Contract], person: Person, reason: str) -> int:
    """The epoch to move to: the newest while some dataset still stands under an older one, else another one."""
    newest = epochs.newest_epoch(ports.engine)
    standing = {epochs.dataset_epoch(ports.engine, contract.id) or newest for contract in sources}
    if min(standing, default=newest) < newest:
        return newest
    folder = ports.settings.keys_dir
    # A key whose epoch never came into the database is taken up, not left lying: the run that made it died.
    epoch = current_epoch(folder) if current_epoch(folder) > newest else add_epoch(folder)
    with database_errors("recording a new epoch of the pseudonym key"), ports.engine.begin() as connection:
        connection.execute(epochs.MADE, {"epoch": epoch, "person": person.role, "reason": reason})
        entry = evidence.Entry(person.role, "key_epoch_made", None, {"epoch": epoch, "reason": reason})
        evidence.append(connection, entry)
    return epoch


def _rotate(contract: Contract, ports: Ports, lease: Lease, *, epoch: int, person: Person, reason: str) -> None:
    table, branch = landing_table(contract), attempt_branch(lease.epoch)
    base = head(ports.lake, table, MAIN)
    if base is None:
        raise ConflictError(f"{table.sql} has no first snapshot; run: commonweal apply")
    begun = {"attempt": branch, "epoch": epoch, "reason": reason}
    # All sealed identifiers are opened next: no record, no action.
    evidence.record(ports.engine, evidence.Entry(person.role, "keys_rotating", contract.id, begun))
    create_branch(ports.lake, table, branch, base)
    try:
        with outside_errors(f"rotating the keys of {contract.id}"):
            rows = _rewritten(contract, ports, branch, base, epoch)
        written = head(ports.lake, table, branch)
        details = {"attempt": branch, "epoch": epoch, "events": rows, "snapshot": str(written), "reason": reason}
        moves = (RefMove(table, MAIN, base, written), RefMove(table, branch, written, None))
        entry = evidence.Entry(person.role, "keys_rotated", contract.id, details)
        move = partial(_move, contract.id, epoch)
        commit(ports.engine, ports.lake, Change(branch, "rotate keys", lease, moves, move, entry))
    except ConflictError:
        drop_branch(ports.lake, table, branch)
        raise


def _rewritten(contract: Contract, ports: Ports, branch: str, base: int, epoch: int) -> int:
    """Write all landing rows anew on the branch; returns how many."""
    from pyspark.sql import functions as F

    from commonweal.decoding.workers import rotate_batches

    table = landing_table(contract)
    landed = at(ports.spark, table, base)
    # With the columns that the contract has no more: a table keeps them.
    renewed = landed.mapInArrow(partial(rotate_batches, contract, epoch), landed.schema)
    renewed.writeTo(table.branch(branch)).overwrite(F.lit(True))
    before, after = landed.count(), ports.spark.table(table.branch(branch)).count()
    if before != after:
        raise ConflictError(f"{contract.id}: {before} landed rows became {after}; nothing was changed, tell the engineers")
    return after


def _move(dataset: str, epoch: int, connection: Connection) -> None:
    epochs.move(connection, dataset, epoch)
