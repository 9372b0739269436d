"""How datasets hang together: which inputs a dataset has, which datasets follow from it, and that nothing goes in a circle."""

from collections.abc import Callable, Collection, Iterator, Mapping

from commonweal.contract.finding import Finding
from commonweal.contract.model import Contract


def downstream(contracts: Mapping[str, Contract], dataset: str) -> tuple[str, ...]:
    """Every dataset made from ``dataset``, directly or through others, sorted."""
    found: set[str] = set()
    waiting = [dataset]
    while waiting:
        source = waiting.pop()
        for contract in contracts.values():
            if contract.id not in found and source in {item.dataset for item in contract.inputs}:
                found.add(contract.id)
                waiting.append(contract.id)
    return tuple(sorted(found))


def upstream(contracts: Mapping[str, Contract], dataset: str) -> tuple[str, ...]:
    """Every dataset that ``dataset`` is made from, directly or through others, sorted."""
    return tuple(sorted(item for item in contracts if dataset in downstream(contracts, item)))


def input_findings(contracts: Mapping[str, Contract], files: Collection[str], file_of: Callable[[str], str]) -> list[Finding]:
    """Inputs that no contract describes, tables that an input does not have, and circles.

    Args:
        contracts: The contracts that could be read.
        files: Ids of all contract files, those that couldn't be read included (their own problems are enough).
        file_of: The file of a dataset's contract.
    """
    found = [Finding(file_of(contract.id), path, rule, cure) for contract in contracts.values()
             for path, rule, cure in _problems(contract, contracts, files)]  # fmt: skip
    circles = [item for item in contracts if item in downstream(contracts, item)]
    return found + [
        Finding(file_of(item), "inputs", "input_circle", "the dataset is made from itself; break the circle") for item in circles
    ]


def _problems(contract: Contract, contracts: Mapping[str, Contract], files: Collection[str]) -> Iterator[tuple[str, str, str]]:
    names = [item.name for item in contract.inputs]
    for place, item in enumerate(contract.inputs):
        path = f"inputs.{place}"
        if item.dataset not in files:
            yield path, "unknown_input", f"there is no contract {item.dataset[:100]}; correct the id or write the contract"
        elif item.dataset in contracts and item.table not in contracts[item.dataset].tables:
            yield (
                path,
                "unknown_input",
                f"{item.dataset} has no table {item.table}; use {', '.join(contracts[item.dataset].tables)}",
            )
        if names.count(item.name) > 1:
            yield path, "repeated_name", f"two inputs are called {item.name}; rename one"
    yield from _coverage(contract, contracts)
    if contract.grouped_by is not None:
        yield from _grouped(contract, contracts, contract.grouped_by)


def _coverage(contract: Contract, contracts: Mapping[str, Contract]) -> Iterator[tuple[str, str, str]]:
    """A join that must find partners is between two inputs, on a column that both have."""
    datasets = {item.name: item.dataset for item in contract.inputs}
    for place, item in enumerate(contract.coverage):
        for name in (item.input, item.within):
            dataset = contracts.get(datasets.get(name, ""))
            if name not in datasets:
                yield f"coverage.{place}", "unknown_input", "names an input that the contract does not have; correct it"
            elif dataset and item.column not in {field.column for field in dataset.fields}:
                yield f"coverage.{place}", "unknown_column", f"{dataset.id} has no such column; correct it"


def _grouped(contract: Contract, contracts: Mapping[str, Contract], column: str) -> Iterator[tuple[str, str, str]]:
    """What a product is joined by group by group, it and all its inputs have."""
    if contract.kind != "product" or contract.suppression is not None:
        yield "groupedBy", "grouped", "for a product without suppression, which looks at all cells together; remove it"
    if column not in {field.column for field in contract.fields if field.required}:
        yield "groupedBy", "unknown_column", f"{column[:60]!r} is no column that every row of the dataset has; correct it"
    for place, item in enumerate(contract.inputs):
        dataset = contracts.get(item.dataset)
        if dataset and column not in {field.column for field in dataset.fields}:
            yield (
                f"inputs.{place}",
                "unknown_column",
                f"{dataset.id} has no column {column[:60]!r} to be grouped by; correct groupedBy",
            )
