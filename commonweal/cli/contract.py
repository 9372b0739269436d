"""``commonweal contract``: lint, show and compare contracts, write their pages."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.errors import ContractError

if TYPE_CHECKING:
    from commonweal.contract.breaking import Comparison
    from commonweal.contract.model import Contract

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Lint, show and compare contracts.")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


@app.command()
def lint(as_json: AsJson = False) -> None:
    """Check every contract: strict YAML, the standard's own JSON Schema, the platform's rules; and every product's transform.

    Exit code 11 if one is wrong.
    """
    from commonweal.contract.finding import refuse
    from commonweal.contract.lint import lint as find
    from commonweal.contract.loader import read_files, read_schemas
    from commonweal.contract.transforms import read_transforms, transform_findings
    from commonweal.settings import ROOT

    schemas = read_schemas(read_files(_schemas_dir()))
    transforms = transform_findings(schemas.contracts, read_transforms(schemas.contracts, ROOT / "jobs"))
    findings = sorted((*schemas.findings, *find(schemas.contracts, schemas.departments, schemas.fields), *transforms))
    if as_json:
        typer.echo(json.dumps({"contracts": list(schemas.contracts), "findings": [asdict(item) for item in findings]}, indent=2))
        raise typer.Exit(ContractError.exit_code if findings else 0)
    refuse(findings)
    if not schemas.contracts:
        raise ContractError("no contract at all; set COMMONWEAL_SCHEMAS_DIR to the folder that holds them")
    typer.echo(
        f"{len(schemas.contracts)} contracts, {len(schemas.departments)} departments, {len(schemas.fields)} fields: nothing wrong"
    )


@app.command()
def show(
    dataset: Annotated[str, typer.Argument(help="Id of the dataset; without it, a list of all.")] = "",
    target: Annotated[str, typer.Option(help="event-schema, spark, topic, suite, access, dag or page.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show a contract, or what is derived from it."""
    from commonweal.cli import contract_tables
    from commonweal.contract.loader import load_contract, load_contracts

    contracts = load_contracts(_schemas_dir())
    chosen = load_contract(_schemas_dir(), dataset) if dataset else None
    if target:
        _show_target(chosen, contracts, target)
    elif as_json:
        typer.echo(
            json.dumps(_plain(chosen) if chosen else [_plain(item) for item in contracts.values()], indent=2, ensure_ascii=False)
        )
    elif chosen:
        contract_tables.show_contract(chosen)
    else:
        contract_tables.show_list(contracts.values())


def _plain(contract: "Contract") -> dict[str, object]:
    return contract.model_dump(mode="json") | {"topic": contract.topic, "tables": list(contract.tables)}


def _show_target(contract: "Contract | None", contracts: "dict[str, Contract]", target: str) -> None:
    from commonweal.render.targets import TARGETS, render

    if target not in TARGETS or contract is None:
        raise typer.BadParameter(f"name a dataset and one of {', '.join(TARGETS)}", param_hint="--target")
    found = render(target, contract, contracts)
    typer.echo(found if isinstance(found, str) else json.dumps(found, indent=2, ensure_ascii=False))


@app.command()
def breaking(
    against: Annotated[str, typer.Option(help="Git revision to compare with, such as origin/main.")],
    as_json: AsJson = False,
) -> None:
    """Say which changes since a git revision break publishers or readers. Exit code 11 if one came without a new version."""
    from commonweal.cli import contract_tables
    from commonweal.contract.breaking import compare
    from commonweal.contract.finding import refuse
    from commonweal.contract.loader import load_contracts
    from commonweal.contract.revision import schemas_at

    folder = _schemas_dir()
    after, earlier = load_contracts(folder), schemas_at(folder, against)
    refuse(earlier.findings if earlier else ())
    comparisons = compare(earlier.contracts if earlier else {}, after)
    if as_json:
        typer.echo(json.dumps([asdict(item) | {"is_breaking": item.is_breaking} for item in comparisons], indent=2))
    else:
        contract_tables.show_comparisons(comparisons)
    _end(comparisons)


def _end(comparisons: "tuple[Comparison, ...]") -> None:
    refused = [item.dataset for item in comparisons if item.refused]
    if refused:
        raise ContractError(f"{len(refused)} contract(s) changed without the version that the change needs: {', '.join(refused)}")


@app.command()
def pages(
    write: Annotated[bool, typer.Option("--write", help="Write the pages; without it, only check them.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Folder of the pages; by default docs/datasets beside schemas.")] = None,
) -> None:
    """Write the datasets' pages, or check that they are what the contracts say. Exit code 11 if one is stale."""
    from commonweal.cli.contract_pages import stale_pages, write_pages
    from commonweal.contract.loader import load_contracts

    contracts = load_contracts(_schemas_dir())
    target = folder or _schemas_dir().parent / "docs" / "datasets"
    if write:
        typer.echo(f"{write_pages(contracts, target)} pages changed in {target}")
        return
    stale = stale_pages(contracts, target)
    if stale:
        raise ContractError(f"{len(stale)} page(s) are stale: {', '.join(stale)}; run: commonweal contract pages --write")
    typer.echo(f"{len(contracts)} pages are up to date")


def _schemas_dir() -> Path:
    from commonweal.settings import load_settings

    return load_settings().schemas_dir
