"""Checks the manifests, writes what is made of the code, lists the secrets (``python -m infra.kubernetes --check``)."""

import argparse
import json
import sys
from pathlib import Path

from commonweal.errors import CommonwealError
from infra.kubernetes import spark_settings
from infra.kubernetes.documents import values
from infra.kubernetes.schemas import refusals
from infra.kubernetes.secrets import STRIMZIS, secrets
from infra.kubernetes.validate import problems


def main() -> None:
    """Print every problem with its place; exit code 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="check every manifest, and that the made one is not stale")
    mode.add_argument("--write", action="store_true", help="write spark-settings.yaml")
    mode.add_argument("--secrets", action="store_true", help="list every Secret that must be made, with its keys")
    mode.add_argument("--chart-schema", type=Path, metavar="FILE", help="check the values against a chart's values.schema.json")
    given = parser.parse_args()
    if given.write:
        spark_settings.FILE.write_text(spark_settings.rendered(), encoding="utf-8")
    elif given.secrets:
        print("\n".join(" ".join((name, *keys)) for name, keys in secrets().items() if name != STRIMZIS))
    else:
        found = _chart_problems(given.chart_schema) if given.chart_schema else _problems()
        print("\n".join(found), end="\n" if found else "")
        sys.exit(1 if found else 0)


def _problems() -> list[str]:
    stale = ["infra/kubernetes/spark-settings.yaml is stale; run: python -m infra.kubernetes --write"]
    return [*map(str, problems()), *(stale if spark_settings.is_stale() else [])]


def _chart_problems(schema: Path) -> list[str]:
    found = values()
    return [str(problem) for problem in refusals(found, json.loads(schema.read_text(encoding="utf-8")), found.content)]


if __name__ == "__main__":
    try:
        main()
    except CommonwealError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
