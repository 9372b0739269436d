"""The documents of the manifests: read once, each with its file and its name, so that a problem can say where it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
VALUES = "airflow-values.yaml"
"""The one file that is no manifest: values for Airflow's chart."""


@dataclass(frozen=True)
class Document:
    """One document of a file.

    Attributes:
        file: The file's name.
        content: What the document holds.
    """

    file: str
    content: dict[str, Any]

    @property
    def kind(self) -> str:
        """What it describes."""
        return str(self.content.get("kind", ""))

    @property
    def name(self) -> str:
        """File, kind and name, as a problem names it."""
        return f"{self.file}: {self.kind or 'document'} {(self.content.get('metadata') or {}).get('name', '')}".rstrip()


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where.

    Attributes:
        document: As ``Document.name``.
        path: Place within the document, dotted; empty for all of it.
        text: What is wrong there.
    """

    document: str
    path: str
    text: str

    def __str__(self) -> str:
        """One line, for people."""
        return f"infra/kubernetes/{self.document}{f' at {self.path}' if self.path else ''}: {self.text}"


def manifests(folder: Path = FOLDER) -> list[Document]:
    """Every document of every manifest, in the order of the files."""
    files = sorted(path for path in folder.glob("*.yaml") if path.name != VALUES)
    return [document for path in files for document in documents(path)]


def documents(path: Path) -> Iterator[Document]:
    """The documents of one file."""
    for content in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        yield Document(path.name, content if isinstance(content, dict) else {"content": content})


def values(folder: Path = FOLDER) -> Document:
    """The values for Airflow's chart."""
    return next(documents(folder / VALUES))


def find(found: list[Document], kind: str, name: str) -> dict[str, Any]:
    """The content of the document of that kind and name."""
    return next(one.content for one in found if one.kind == kind and one.content["metadata"]["name"] == name)


def leaves(content: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every scalar with its path; an item of a list is named by its position."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from leaves(value, (*path, str(number)))
    else:
        yield path, content
