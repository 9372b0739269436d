"""The pages that people read are those that the code gives, and what they name is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from commonweal.errors import CommonwealError
from commonweal.settings import ROOT, Settings
from infra.docs import DOCS, ELSEWHERE, pages

PLACES = ("*.md", "[a-z]*/README.md", "tests/*/README.md", "infra/*/README.md")
PLACES += ("docs/*.md", "docs/adr/*.md", "docs/runbooks/*.md", "docs/datasets/*.md")
WRITTEN = sorted({path for place in PLACES for path in ROOT.glob(place)})
LINK = re.compile(r"(?:\]\(|<img src=\")([^)\"#\s]+)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
FUNCTION = re.compile(r"`((?:commonweal|streams|infra|jobs)/[\w/]+\.py)::([\w.]+)`")
INTERNAL = {"COMMONWEAL_STACK_UNIT"}
HEAVY = ("pyspark", "airflow", "great_expectations", "pandas", "pyarrow", "kafka", "sqlalchemy", "scipy")


@pytest.mark.parametrize("name", sorted(pages()))
def test_generated_pages_are_not_stale(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run: python -m infra.docs --write"


def test_every_setting_and_error_is_on_its_page() -> None:
    listed = pages()
    assert [name for name in Settings.model_fields if f"`COMMONWEAL_{name.upper()}`" not in listed["settings.md"]] == []
    exported = [error for error in CommonwealError.__subclasses__() if error.__module__ == CommonwealError.__module__]
    assert len(exported) > 5
    assert [error for error in exported if f"`{error.__name__}` | {error.exit_code} |" not in listed["errors.md"]] == []


def test_every_variable_of_the_code_is_on_the_page() -> None:
    sources = [path for folder in ("commonweal", "infra", "streams") for path in (ROOT / folder).rglob("*.py")]
    used = {
        name for path in sources for name in re.findall(r"COMMONWEAL_[A-Z0-9]+(?:_[A-Z0-9]+)*", path.read_text(encoding="utf-8"))
    }
    known = {f"COMMONWEAL_{name.upper()}" for name in Settings.model_fields} | set(ELSEWHERE) | INTERNAL
    assert used - known == set()


def test_the_generator_imports_nothing_heavy() -> None:
    script = f"import sys, infra.docs; infra.docs.pages(); print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


def test_there_are_pages() -> None:
    assert len(WRITTEN) > 20


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if not link.startswith(("http://", "https://", "mailto:"))]
    named = [*TEST.findall(text), *FUNCTION.findall(text)]
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert [f"{file}::{name}" for file, name in named if not _defines(ROOT / file, name)] == []


@pytest.mark.parametrize("folder", ["commonweal", "streams", "infra"])
def test_a_folders_readme_names_each_of_its_parts(folder: str) -> None:
    text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    modules = {path.name for path in (ROOT / folder).glob("*.py") if not path.stem.startswith("__")}
    packages = {path.parent.name + "/" for path in (ROOT / folder).glob("*/__init__.py")}
    assert modules
    assert sorted(part for part in modules | packages if part not in text) == []


def _defines(file: Path, name: str) -> bool:
    """Whether the file defines the function, or the method ``Class.method``."""
    if not file.is_file():
        return False
    source = file.read_text(encoding="utf-8")
    return all(re.search(rf"^\s*(?:def|class) {part}\b", source, re.M) for part in name.split("."))
