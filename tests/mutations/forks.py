"""Runs pytest in forks of a process that has loaded other people's packages: importing them takes longer than most of the tests.

Started as a script, in no copy and with no module of the platform loaded, so that each fork imports what stands in its copy.
A request is one line of JSON; the answer is pytest's exit code.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from socketserver import ForkingMixIn, StreamRequestHandler, UnixStreamServer

PACKAGES = (
    *("cryptography.hazmat.primitives.hpke", "duckdb", "great_expectations", "hypothesis", "jsonschema_rs", "kafka"),
    *("minio", "orjson", "psycopg", "pyarrow.parquet", "pydantic_settings", "pyiceberg.catalog.sql", "pyiceberg.io.pyarrow"),
    *(
        "pyspark.sql.connect.session",
        "pyspark.sql.functions",
        "pytest",
        "rich.console",
        "sqlalchemy",
        "stdnum.cn",
        "structlog",
        "typer",
    ),
)
OWN = {"commonweal", "dags", "infra", "jobs", "streams", "tests"}


class Handler(StreamRequestHandler):
    """In a fork: becomes the process that was asked for, and answers with its end."""

    def handle(self) -> None:
        """Run pytest with the arguments, environment, folder and file for what it says that were asked for."""
        asked = json.loads(self.rfile.readline())
        out = os.open(asked["out"], os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.clear()
        os.environ |= asked["environment"]
        os.chdir(asked["folder"])
        sys.path[0] = asked["folder"]
        sys.argv[0] = "pytest"
        import pytest

        code = int(pytest.main(asked["arguments"]))
        sys.stdout.flush()
        self.wfile.write(f"{code}\n".encode())


class Server(ForkingMixIn, UnixStreamServer):
    """One fork for each request."""


def main() -> None:
    """Serve at the socket that is given, until killed."""
    sys.dont_write_bytecode = True
    for name in PACKAGES:
        importlib.import_module(name)
    loaded = OWN & {name.partition(".")[0] for name in sys.modules}
    if loaded:
        raise SystemExit(f"the platform's own modules are loaded: {', '.join(sorted(loaded))}")
    with Server(str(Path(sys.argv[1])), Handler) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
