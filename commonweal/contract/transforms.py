"""Each product's transform against its contract: it is there, it is pure, and it takes the contract's inputs.

Its source is read, never run; Spark isn't needed for it.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from commonweal.contract.finding import Finding
from commonweal.contract.model import Contract
from commonweal.contract.names import contract_file
from commonweal.contract.purity import impurities


def read_transforms(contracts: Mapping[str, Contract], jobs_dir: Path) -> dict[str, str]:
    """By product, the source of its transform; a product without one is left out."""
    paths = {item.id: jobs_dir / item.department / f"{item.name}.py" for item in contracts.values() if item.kind == "product"}
    # What is no UTF-8 becomes what is no Python.
    return {dataset: path.read_bytes().decode("utf-8", "replace") for dataset, path in paths.items() if path.is_file()}


def transform_findings(contracts: Mapping[str, Contract], sources: Mapping[str, str]) -> tuple[Finding, ...]:
    """What is wrong with the products' transforms: pure.

    Args:
        contracts: By id.
        sources: By product, the source of its transform, as :func:`read_transforms` gives it.
    """
    products = [contract for contract in contracts.values() if contract.kind == "product"]
    return tuple(sorted(finding for item in products for finding in _findings(item, sources.get(item.id))))


def _findings(contract: Contract, source: str | None) -> Iterator[Finding]:
    file = f"jobs/{contract.department}/{contract.name}.py"
    if source is None:
        yield Finding(contract_file(contract.id), "inputs", "transform_missing", f"a product has one transform; write {file}")
        return
    try:
        tree, found = ast.parse(source), impurities(source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        yield Finding(file, f"line {line}", "transform_syntax", "not Python; correct it")
        return
    for problem in found:
        place, _, what = problem.partition(": ")
        yield Finding(file, place, "transform_impure", f"{what}; a transform is a pure function, see jobs/README.md")
    yield from _arguments(contract, tree, file)


def _arguments(contract: Contract, tree: ast.Module, file: str) -> Iterator[Finding]:
    wanted = [item.name for item in contract.inputs]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "transform":
            names = [argument.arg for argument in node.args.kwonlyargs]
            if sorted(names) != sorted(wanted):
                cure = f"its arguments are the contract's inputs: {', '.join(wanted)}; rename them"
                yield Finding(file, f"line {node.lineno}", "transform_arguments", cure)
