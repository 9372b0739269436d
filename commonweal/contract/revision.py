"""The contracts of an earlier git revision, read by the same code as those of today."""

import subprocess
from pathlib import Path

from commonweal.contract.loader import Schemas, read_schemas
from commonweal.errors import ContractError

_SECONDS = 60


def schemas_at(schemas_dir: Path, revision: str) -> Schemas | None:
    """The schemas folder as it was at a git revision; None when it held no contract then.

    Raises:
        ContractError: There is no such revision, or no git.
    """
    commit = _git(schemas_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    listing = _git(schemas_dir, "ls-tree", "-r", "-z", "--name-only", commit, "--", ".").decode()
    files = [name for name in listing.split("\0") if name.endswith((".yaml", ".yml"))]
    if not any("/" in name for name in files):
        return None
    return read_schemas({name: _git(schemas_dir, "show", f"{commit}:./{name}") for name in files})


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, timeout=_SECONDS, check=True)  # noqa: S603, S607
    except FileNotFoundError:
        raise ContractError("git is not installed; it is needed to compare contracts with an earlier revision") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise ContractError(
            f"git {arguments[0]} failed in {folder}; name a revision of this repository, such as origin/main"
        ) from None
    return done.stdout
