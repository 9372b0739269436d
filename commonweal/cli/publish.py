"""``commonweal publish``: a file of a department becomes events of its dataset."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commonweal.settings import load_settings

if TYPE_CHECKING:
    from streams.publish import Outcome, Progress
    from streams.publishing.exports import Format

app = typer.Typer(add_completion=False)


@app.command()
def publish(  # noqa: PLR0913 - one argument per option of the command
    file: Annotated[str, typer.Argument(help="The export: .csv, .jsonl or .parquet, also .gz; - is standard input")],
    *,
    dataset: Annotated[str, typer.Option(help="Id of the dataset: department.name")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, send nothing.")] = False,
    source: Annotated[str | None, typer.Option(help="/department/system that made the export")] = None,
    event_type: Annotated[str, typer.Option("--type", help="recorded, corrected or withdrawn")] = "recorded",
    exported_at: Annotated[
        str | None, typer.Option(help="When the export was made (RFC 3339); by default the file's time")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column of the department's own event ids")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Where bad rows go; by default beside the export")] = None,
    form: Annotated[str | None, typer.Option("--format", help="csv, jsonl or parquet, where the name doesn't say it")] = None,
    again: Annotated[bool, typer.Option("--again", help="Send the file although it was sent before.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Check every row of a file against its dataset's contract, then publish it as events."""
    from streams.publish import Request
    from streams.publish import publish as run

    request = Request(
        file=file,
        dataset=dataset,
        source=source,
        event_type=event_type,
        exported_at=exported_at,
        id_column=id_column,
        rejects=rejects,
        format=_format(form),
        dry_run=dry_run,
        again=again,
    )
    with _bars() as progress:
        outcome = run(request, load_settings(), progress)
    _show(outcome, json)


def _format(name: str | None) -> "Format | None":
    from commonweal.errors import ConfigError
    from streams.publishing.exports import FORMATS

    found = next((form for form in FORMATS.values() if form == name), None)
    if name and found is None:
        raise ConfigError(f"--format is one of {', '.join(sorted(set(FORMATS.values())))}")
    return found


@contextmanager
def _bars() -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<6}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        tasks = {}

        def progress(name: str, count: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.advance(tasks[name], count)

        yield progress


def _show(outcome: "Outcome", as_json: bool) -> None:
    import json

    if as_json:
        print(json.dumps(outcome.as_dict(), ensure_ascii=False))
        return
    if outcome.outcome == "already published":
        print(f"{outcome.dataset}: already published, {outcome.sent:,} events; nothing was sent (--again sends it anyway)")
        return
    print(
        f"{outcome.dataset}: {outcome.outcome}, {outcome.rows:,} rows, {outcome.bad:,} bad, {outcome.sent:,} events acknowledged"
    )
    if outcome.encoding:
        print(f"  read as {outcome.encoding}: the export isn't UTF-8")
    for reason, count in outcome.reasons.items():
        print(f"  {reason}: {count:,}")
    if outcome.rejects:
        print(f"  bad rows, with their reasons, are in {outcome.rejects}")
