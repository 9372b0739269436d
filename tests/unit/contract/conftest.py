"""A schemas folder of its own for each test, made from the repository's contracts."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from commonweal.settings import ROOT

HOTLINE = "hotline/service_request.yaml"
ASSISTANCE = "civil_affairs/assistance_case.yaml"
Edit = Callable[..., None]


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    folder = tmp_path / "schemas"
    shutil.copytree(ROOT / "schemas", folder, ignore=shutil.ignore_patterns("data_bureau"))
    return folder


@pytest.fixture
def edit(schemas: Path) -> Edit:
    def replace(file: str, old: str, new: str) -> None:
        path = schemas / file
        text = path.read_text("utf-8")
        assert old in text, f"the test replaces a text that {file} does not hold"
        path.write_text(text.replace(old, new, 1), "utf-8")

    return replace
