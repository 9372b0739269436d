"""Writes the datasets' pages, and says which are stale."""

from collections.abc import Mapping
from pathlib import Path

from commonweal.contract.model import Contract
from commonweal.render.page import page


def stale_pages(contracts: Mapping[str, Contract], folder: Path) -> tuple[str, ...]:
    """Names of pages that are missing, differ from their contract, or have none any more."""
    wanted = _pages(contracts)
    present = {path.name: path.read_text("utf-8") for path in folder.glob("*.md")}
    return tuple(sorted(name for name in {*wanted, *present} if wanted.get(name) != present.get(name)))


def write_pages(contracts: Mapping[str, Contract], folder: Path) -> int:
    """Write what is stale, remove pages without a contract; the number of pages changed."""
    wanted = _pages(contracts)
    stale = stale_pages(contracts, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in wanted:
            (folder / name).write_text(wanted[name], "utf-8")
        else:
            (folder / name).unlink()
    return len(stale)


def _pages(contracts: Mapping[str, Contract]) -> dict[str, str]:
    lines = [f"- [{item.id}]({item.id}.md): {item.title.en} · {item.title.zh}" for item in contracts.values()]
    index = "# Datasets · 数据集\n\nOne page per contract, made from it.\n\n" + "\n".join(lines) + "\n"
    return {"README.md": index, **{f"{item.id}.md": page(item, contracts) for item in contracts.values()}}
