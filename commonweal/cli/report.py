"""``commonweal report``: the gate's last report of a dataset, as a page to open or as JSON."""

from pathlib import Path
from typing import Annotated

import typer

from commonweal.errors import ConfigError
from commonweal.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def report(
    dataset: Annotated[str, typer.Argument(help="Id of the dataset: department.name")],
    *,
    output: Annotated[Path | None, typer.Option(help="Where to save it; by default in the run folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead.")] = False,
) -> None:
    """Save the gate's last report and say where; it opens in any browser, offline."""
    from commonweal.store import client, get_object, object_keys

    settings = load_settings()
    store = client(settings, "auditor")
    ending = ".json" if json else ".html"
    keys = [
        key for key in object_keys(store, settings.bucket_reports, dataset.replace(".", "/", 1) + "/") if key.endswith(ending)
    ]
    if not keys:
        raise ConfigError(f"{dataset} has no report yet; see: commonweal status")
    content = get_object(store, settings.bucket_reports, keys[-1])
    if json:
        print(content.decode())
        return
    place = output or settings.run_dir / "reports" / f"{dataset}.html"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    print(place)
