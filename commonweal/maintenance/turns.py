"""One dataset after the other, each under its lease; one that is busy waits for the next night."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack

import structlog

from commonweal.contract.model import Contract
from commonweal.errors import ConflictError
from commonweal.lake import lease as leases
from commonweal.lake.lease import Lease
from commonweal.ports import Ports

log = structlog.get_logger()

Work = Callable[[Contract, Lease], int]


def in_turn(ports: Ports, contracts: Iterable[Contract], task: str, work: Work) -> tuple[int, int]:
    """Do the work for each dataset under the leases of the dataset and of those that read it.

    A run holds its dataset's lease, so none reads a release while it is let go. What a dataset with a broken contract reads isn't
    known, so its lease is taken too.

    Returns:
        The sum of what the work counted, and the number of datasets that were busy.
    """
    done, busy = 0, 0
    everyone, unknown = tuple(ports.contracts.values()), set(ports.broken)
    for contract in contracts:
        readers = unknown | {other.id for other in everyone if contract.id in {item.dataset for item in other.inputs}}
        try:
            with ExitStack() as held:
                taken = {dataset: held.enter_context(_lease(ports, dataset, task)) for dataset in sorted({contract.id, *readers})}
                done += work(contract, taken[contract.id])
        except ConflictError as error:
            busy += 1
            log.warning("left_for_the_next_night", task=task, dataset=contract.id, why=str(error))
    return done, busy


def _lease(ports: Ports, dataset: str, task: str) -> AbstractContextManager[Lease]:
    return leases.held(ports.engine, dataset, f"maintenance/{task}", seconds=ports.settings.lease_seconds)
