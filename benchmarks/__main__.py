"""``python -m benchmarks [ROW ...]``: measures rows without a result of this code, or those named, and writes the page."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

from benchmarks import flight, lakes, results, sampling
from benchmarks.measure import FLIGHTS
from benchmarks.page import page, profile
from benchmarks.picture import picture
from benchmarks.rows import clean, day, freshness, gate, join, land, publish, start
from benchmarks.sizing import sizing
from commonweal.settings import ROOT

ROWS: dict[str, ModuleType] = {module.ROW: module for module in (publish, land, gate, clean, day, join, freshness, start)}
PROFILED = {module.ROW for module in (publish, land, gate, clean, day, join, freshness)}
"""Rows of which something is measured while it works; what is measured of the others is how it starts."""
PROFILES = ROOT / "benchmarks" / "profiles"
PAGE, PICTURE, SIZING = (ROOT / "docs" / name for name in ("benchmarks.md", "benchmarks.svg", "sizing.md"))


def main() -> int:
    """Measure, keep each result as soon as it is there, write the pages."""
    given = _arguments()
    if given.profile:
        for name in given.rows:
            _profile(name, given.size or ROWS[name].SIZE)
        return 0
    found = results.read_before() if given.again else results.read()
    kept = {result.row for where, result in found if where["code"] == results.code()}
    with lakes.kept():
        for name in given.rows or [name for name in ROWS if name not in kept]:
            row, began = ROWS[name], time.monotonic()
            result = row.run(given.size or row.SIZE, given.runs or row.RUNS, _tell)
            path = results.write(result, row.SIZE)
            _tell(f"{name}: done in {time.monotonic() - began:.0f} s, kept in {path.relative_to(ROOT)}")
    found = results.read()
    PAGE.write_text(page(found, results.read_before(), results.read_other()), encoding="utf-8")
    PICTURE.write_text(picture(result for _, result in found), encoding="utf-8")
    SIZING.write_text(sizing(found), encoding="utf-8")
    _tell(f"see {PAGE.relative_to(ROOT)} and {SIZING.relative_to(ROOT)}")
    return 0


def _profile(name: str, size: int) -> None:
    """Run a row once, with Spark's Java and Python recorded, and write where the time went; no result is kept."""
    with tempfile.TemporaryDirectory(prefix="commonweal-flights-") as folder:
        os.environ[FLIGHTS] = folder
        try:
            with lakes.kept():
                result = ROWS[name].run(size, 1, _tell)
        finally:
            del os.environ[FLIGHTS]
        recordings = sorted(Path(folder).iterdir(), key=lambda path: path.stat().st_mtime)
        flights = {path.stem: flight.read(path) for path in recordings if path.suffix == ".jfr"}
        samples = {path.stem: sampling.read(path) for path in recordings if path.suffix == ".txt"}
    PROFILES.mkdir(exist_ok=True)
    path = PROFILES / f"{name}.md"
    path.write_text(profile(results.machine(), result, flights, samples), encoding="utf-8")
    _tell(f"see {path.relative_to(ROOT)}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "rows", nargs="*", choices=[[], *ROWS], help="rows to measure anew; by default those without a result of this code"
    )
    parser.add_argument(
        "--again", action="store_true", help="measure rows until there are two results of this code, which the page compares"
    )
    parser.add_argument("--profile", action="store_true", help="show instead where the named rows' time goes")
    parser.add_argument("--size", type=int, help="another size than the row's own")
    parser.add_argument("--runs", type=int, help="another number of runs")
    given = parser.parse_args()
    if given.profile and not (given.rows and set(given.rows) <= PROFILED):
        parser.error(f"--profile wants some of these rows: {', '.join(sorted(PROFILED))}")
    return given


if __name__ == "__main__":
    sys.exit(main())
