"""The two registers beside the contracts: who exists (``_departments.yaml``) and what a field is called (``_fields.yaml``)."""

from collections.abc import Iterable
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from commonweal.contract.finding import Finding
from commonweal.contract.model import Department, FieldType, Frozen, Personal, Text

DEPARTMENTS_FILE = "_departments.yaml"
FIELDS_FILE = "_fields.yaml"

Model = TypeVar("Model", bound=BaseModel)


class DictionaryField(Frozen):
    """One entry of the field dictionary: a quantity that has the same name and type in every contract.

    Attributes:
        personal: The least protection that a contract may give it.
        identifier: The kind of identifier (``resident_id``, ``credit_code``) when the value is one.
        column: The pseudonym's column in the lake, for a personal identifier.
    """

    name: str
    type: FieldType
    title: Text
    description: Text
    precision: int | None = None
    scale: int | None = None
    unit: str | None = None
    personal: Personal = "none"
    identifier: str | None = None
    column: str | None = None


class _DepartmentsFile(Frozen):
    departments: tuple[Department, ...]


class _FieldsFile(Frozen):
    fields: tuple[DictionaryField, ...]


def parse_departments(document: object) -> tuple[dict[str, Department], list[Finding]]:
    """The departments by id, and what is wrong with the register."""
    parsed, findings = _parse(_DepartmentsFile, document, DEPARTMENTS_FILE)
    entries = parsed.departments if parsed else ()
    return {entry.id: entry for entry in entries}, findings + _repeated(
        DEPARTMENTS_FILE, "departments", (entry.id for entry in entries)
    )


def parse_fields(document: object) -> tuple[dict[str, DictionaryField], list[Finding]]:
    """The dictionary's entries by name, and what is wrong with it."""
    parsed, findings = _parse(_FieldsFile, document, FIELDS_FILE)
    entries = parsed.fields if parsed else ()
    return {entry.name: entry for entry in entries}, findings + _repeated(
        FIELDS_FILE, "fields", (entry.name for entry in entries)
    )


def _parse(model: type[Model], document: object, file: str) -> tuple[Model | None, list[Finding]]:
    try:
        return read_strictly(model, document), []
    except ValidationError as error:
        return None, validation_findings(error, file)


def read_strictly(model: type[Model], document: object) -> Model:
    """The value of ``model`` that a document holds, without any conversion of types.

    Raises:
        ValidationError: The document has another shape; for :func:`validation_findings`.
    """
    return model.model_validate_json(orjson.dumps(document), strict=True)


def validation_findings(error: ValidationError, file: str, prefix: str = "") -> list[Finding]:
    """One finding per place that has the wrong shape."""
    return [
        Finding(
            file,
            ".".join([*filter(None, [prefix]), *map(str, item["loc"])]),
            f"model_{item['type']}",
            f"{item['msg']}; correct it",
        )
        for item in error.errors(include_url=False, include_input=False)
    ]


def _repeated(file: str, path: str, names: Iterable[str]) -> list[Finding]:
    seen: set[str] = set()
    twice = sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
    return [Finding(file, path, "repeated_name", f"{name} stands twice; keep one") for name in twice]
