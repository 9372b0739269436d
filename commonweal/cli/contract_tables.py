"""How ``commonweal contract`` shows contracts and their changes in a terminal. Texts of contracts are never read as markup."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from commonweal.contract.breaking import Comparison
from commonweal.contract.model import Contract, Field

_STYLE = {"breaking": "bold red", "review": "yellow", "compatible": "green"}


def show_list(contracts: Iterable[Contract]) -> None:
    """All contracts, one a line."""
    table = Table(_whole("dataset"), "version", "sharing", "title", box=None)
    for item in contracts:
        sharing = "open data" if item.is_open else item.sharing
        table.add_row(item.id, item.version, sharing, escape(f"{item.title.en} · {item.title.zh}"))
    Console().print(table)


def show_contract(contract: Contract) -> None:
    """One contract: what it is, its fields, its rules, its purposes."""
    console = Console()
    console.print(f"[bold]{contract.id}[/bold] {contract.version} · {escape(contract.title.en)} · {escape(contract.title.zh)}")
    console.print(escape(contract.description.en))
    console.print(escape(contract.description.zh))
    console.print(_facts(contract))
    console.print(_fields(contract))
    console.print(_rules(contract))
    for purpose in contract.purposes:
        console.print(f"purpose [bold]{purpose.code}[/bold]: {escape(purpose.title.en)} · {escape(purpose.title.zh)}")
        console.print(f"  {escape(purpose.legal_basis)}", style="dim")


def show_comparisons(comparisons: Iterable[Comparison]) -> None:
    """What changed, dataset by dataset, with the datasets that follow from it."""
    console = Console()
    shown = list(comparisons)
    for item in shown:
        console.print(f"[bold]{item.dataset}[/bold] {item.before} → {item.version or 'gone'}")
        for change in item.changes:
            console.print(
                f"  [{_STYLE[change.level]}]{change.level}[/] {escape(change.path)}: {escape(change.text)} ({change.rule})"
            )
        if item.downstream:
            console.print(f"  datasets downstream: {', '.join(item.downstream)}")
        if item.refused:
            console.print(f"  [bold red]refused[/]: {item.refused}")
    if not shown:
        console.print("no contract has changed")


def _facts(contract: Contract) -> Table:
    table = Table(box=None, show_header=False)
    rows = {
        "kind": contract.kind,
        "one row per": ", ".join(contract.key_columns),
        "takes effect": ", else ".join(contract.occurred_at),
        "made from": ", ".join(f"{item.dataset} ({item.table})" for item in contract.inputs),
        "sharing": contract.sharing + (", open data" if contract.is_open else ""),
        "classification": contract.classification,
        "promise": f"{contract.freshness_minutes} min from event to release",
        "topic": f"{contract.topic}, {contract.partitions} partitions" if contract.kind == "source" else "",
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, escape(value))
    return table


def _fields(contract: Contract) -> Table:
    table = Table(_whole("column"), "type", "title", "in the export", "personal", title="fields", title_justify="left")
    for field in contract.fields:
        table.add_row(
            _name(field),
            _type(field),
            *map(escape, (f"{field.title.en} · {field.title.zh}", field.physical_name, _personal(field))),
        )
    return table


def _whole(title: str) -> Column:
    return Column(title, no_wrap=True, overflow="fold")


def _name(field: Field) -> str:
    return field.column if field.column == field.name else f"{field.column}\n(event: {field.name})"


def _type(field: Field) -> str:
    kind = f"decimal({field.precision},{field.scale})" if field.type == "decimal" else field.type
    return kind + (f", {len(field.codes)} codes" if field.codes else "") + (", required" if field.required else "")


def _personal(field: Field) -> str:
    return "" if field.personal == "none" else f"{field.personal} → {field.treatment or 'no treatment'}"


def _rules(contract: Contract) -> Table:
    table = Table(_whole("rule"), "table", "severity", "sentence", title="quality rules", title_justify="left")
    for rule in contract.rules:
        table.add_row(rule.id, rule.table, rule.severity, escape(f"{rule.sentence.en}\n{rule.sentence.zh}"))
    return table
