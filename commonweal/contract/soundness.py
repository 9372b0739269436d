"""Which datasets can be worked with although a contract is wrong: one broken file keeps no other dataset from its runs.

A broken contract is none that is gone: what follows from a contract's absence (rights revoked, releases let go) must never follow
from its being wrong. So the broken ones are named beside the others, and whoever takes something away looks at both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from commonweal.contract.dictionary import DEPARTMENTS_FILE, FIELDS_FILE
from commonweal.contract.finding import Finding, refuse
from commonweal.contract.inputs import downstream
from commonweal.contract.model import Contract
from commonweal.contract.names import DATASET_ID, contract_file, dataset_of
from commonweal.errors import ContractError

UNREADABLE_FOLDER = "folder_unreadable"


@dataclass(frozen=True)
class Datasets:
    """The datasets that the contracts describe.

    Attributes:
        contracts: Those with which nothing is wrong, by id, sorted.
        broken: By dataset, what is wrong with its contract, or with one that it is made from.
        stray: What is wrong with files that are no dataset's contract.
    """

    contracts: Mapping[str, Contract]
    broken: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    stray: tuple[Finding, ...] = ()

    def contract(self, dataset: str) -> Contract:
        """The contract of a dataset.

        Raises:
            ContractError: It is broken, and the message lists every problem; or there is none.
        """
        refuse(self.broken.get(dataset, ()))
        if dataset not in self.contracts:
            raise ContractError(f"{dataset}: no such contract; known are {', '.join(self.contracts)}")
        return self.contracts[dataset]


def separated(contracts: Mapping[str, Contract], findings: Iterable[Finding]) -> Datasets:
    """The contracts without a fault, and the others with theirs.

    Args:
        contracts: Every contract that could be read, also those that the linter refuses.
        findings: Everything that is wrong.

    Raises:
        ContractError: A register is wrong, or a folder can't be read: that concerns contracts of which nothing else is known.
    """
    found = sorted(findings)
    refuse([item for item in found if item.file in (DEPARTMENTS_FILE, FIELDS_FILE) or item.rule == UNREADABLE_FOLDER])
    own: dict[str, list[Finding]] = {}
    for item in found:
        own.setdefault(_dataset(item.file), []).append(item)
    stray = own.pop("", [])
    broken = {dataset: list(items) for dataset, items in own.items()}
    for dataset in own:
        for follower in downstream(contracts, dataset):
            cure = f"made from {dataset}, whose contract is wrong; mend that one"
            broken.setdefault(follower, []).append(Finding(contract_file(follower), "inputs", "broken_input", cure))
    return Datasets(
        contracts={dataset: contract for dataset, contract in sorted(contracts.items()) if dataset not in broken},
        broken={dataset: tuple(sorted(items)) for dataset, items in sorted(broken.items())},
        stray=tuple(stray),
    )


def _dataset(file: str) -> str:
    """The dataset whose contract the file is; empty when its path is no dataset's."""
    dataset = dataset_of(file)
    return dataset if DATASET_ID.fullmatch(dataset) and contract_file(dataset) == file else ""
