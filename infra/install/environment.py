"""Creates ``.venv`` with exactly the packages of ``requirements.lock``, or says in an instant that it is there already.

Run by the Makefile with a bare Python 3.11: only the standard library, and no git.
"""

import os
import subprocess
import sys
from pathlib import Path

from infra.install.cache import cache_folder, digest, locked
from infra.install.network import certificate_variables
from infra.install.programs import clean_environment
from infra.install.progress import building

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
INPUTS = ("requirements.lock", "infra/install/uv.lock", "pyproject.toml")
FROM_REGISTRIES = (
    (*(".venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"),
     *("-r", "infra/install/uv.lock")),
    (".venv/bin/uv", "pip", "sync", "--quiet", "--require-hashes", "requirements.lock"),
)  # fmt: skip
"""What brings packages: uv by pip, then by uv exactly those that are locked."""
OURSELVES = (".venv/bin/uv", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")


def main() -> None:
    """Installs what is missing; a second run does nothing."""
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(f"Python 3.11 is needed, this is {sys.version.split()[0]}; run: make PYTHON=/path/to/python3.11 …")
    stamp = VENV / "installed-from"
    wanted = digest({name: (ROOT / name).read_bytes() for name in INPUTS} | {"python": sys.version.encode()})
    if _is(stamp, wanted):
        return
    VENV.mkdir(exist_ok=True)
    # Not .venv/.lock: that one is uv's own.
    with locked(VENV / ".install-lock", ".venv"):
        if not _is(stamp, wanted):
            stamp.unlink(missing_ok=True)
            with building(".venv", "Python packages, a minute or two"):
                _install()
            stamp.write_text(wanted, encoding="utf-8")


def _is(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def _install() -> None:
    """Creates the environment, uv in it by pip, the locked packages by uv, and this project beside them."""
    _run(sys.executable, "-m", "venv", ".venv", cure="the system's package for Python's venv and ensurepip may be missing")
    for command in (*FROM_REGISTRIES, OURSELVES):
        _run(*command)


def _run(*command: str, cure: str = "check the network and its certificates") -> None:
    own = {"VIRTUAL_ENV": str(VENV), "UV_CACHE_DIR": str(cache_folder() / "uv")}
    # uv doesn't read pip's settings; a mirror that was set for pip is meant for both.
    mirror = {"UV_DEFAULT_INDEX": os.environ["PIP_INDEX_URL"]} if os.environ.get("PIP_INDEX_URL") else {}
    environment = mirror | certificate_variables() | clean_environment(**own)
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)  # noqa: S603 - our own commands
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed; {cure}; then run: make install")


if __name__ == "__main__":
    main()
