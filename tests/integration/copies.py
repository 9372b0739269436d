"""Copies of a real contract under names of their own, so that a module's events reach no dataset that others look at."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from commonweal.apply import apply
from commonweal.ports import Ports, open_ports
from commonweal.settings import Settings

HOTLINE = "hotline.service_request"


@contextmanager
def copied_contracts(
    settings: Settings, folder: Path, *names: str, of: str = HOTLINE, changes: Mapping[str, str] | None = None
) -> Iterator[Ports]:
    """Copy a contract, bring the stack in line with the copies, and open it; its Spark session ends with the context.

    Args:
        settings: Of the stack.
        folder: Where all contracts are copied to; it must not be there yet.
        names: Names of the copies, in the department of the original.
        of: Id of the original.
        changes: Text by the text of the original that it replaces.
    """
    shutil.copytree(settings.schemas_dir, folder)
    department, original = of.split(".")
    words = (folder / department / f"{original}.yaml").read_text(encoding="utf-8")
    for old, new in (changes or {}).items():
        assert old in words, f"the contract of {of} no longer says {old!r}"
        words = words.replace(old, new)
    for name in names:
        (folder / department / f"{name}.yaml").write_text(words.replace(original, name), encoding="utf-8")
    opened = open_ports(settings.model_copy(update={"schemas_dir": folder}))
    apply(opened.settings)
    try:
        yield opened
    finally:
        opened.close()
