"""Installs everything that the stack and its tests run on: ``python -m infra.install [--no-browser]``."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from commonweal.errors import CommonwealError
from infra.install.browser import chromium_artefact, font_artefact
from infra.install.cache import Artefact, cache_folder
from infra.install.crds import crds_artefact
from infra.install.jars import jars_artefact, locked, verify
from infra.install.minio_build import minio_artefact
from infra.install.network import trust_store_artefact

# An artefact's folder, whether it was built now, and the seconds it took.
Row = tuple[str, bool, float]


def install(
    browser: Annotated[bool, typer.Option(help="Install what only tests, checks and screenshots use too.")] = True,
) -> None:
    """Builds what the cache lacks, all at once, and shows where each artefact is."""
    # First the one that takes longest.
    artefacts = [minio_artefact(), jars_artefact(), trust_store_artefact(), font_artefact()]
    artefacts += [chromium_artefact(), crds_artefact()] if browser else []
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress, ThreadPoolExecutor(len(artefacts)) as pool:
        rows = list(pool.map(lambda artefact: _provide(artefact, progress), artefacts))
    # What was right when it was downloaded may have been changed in the cache since.
    verify(jars_artefact().folder, locked())
    console.print(_table(rows))


def main() -> None:
    """Entry point: an error ends with one clear line and its own exit code."""
    try:
        typer.run(install)
    except CommonwealError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def _provide(artefact: Artefact, progress: Progress) -> Row:
    is_new, start = not artefact.folder.is_dir(), time.monotonic()
    task = progress.add_task(artefact.name, total=None, visible=is_new)
    folder = artefact.provide()
    progress.remove_task(task)
    return folder.name, is_new, time.monotonic() - start


def _table(rows: list[Row]) -> Table:
    table = Table(
        "artefact", "state", "seconds", box=None, pad_edge=False, caption=f"in {cache_folder()}", caption_justify="left"
    )
    for name, is_new, seconds in rows:
        table.add_row(name, "built" if is_new else "cached", f"{seconds:.1f}")
    return table


if __name__ == "__main__":
    main()
