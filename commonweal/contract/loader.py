"""The one place that reads ``schemas/``: files in, frozen contracts out, or one error that lists every problem.

The path is the id: ``schemas/<department>/<dataset>.yaml`` holds ``<department>.<dataset>``. Reading the files and making
contracts of their texts are apart, so that the contracts of an old git revision are read by the same code.
"""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs

from commonweal.contract.dictionary import DEPARTMENTS_FILE, FIELDS_FILE, DictionaryField, parse_departments, parse_fields
from commonweal.contract.document import Reader
from commonweal.contract.finding import Finding, refuse
from commonweal.contract.inputs import input_findings
from commonweal.contract.lint import lint
from commonweal.contract.model import Contract, Department
from commonweal.contract.names import DATASET_ID, NAME, RESERVED, contract_file, dataset_of
from commonweal.contract.strict_yaml import MAX_BYTES, StrictYamlError, read_yaml
from commonweal.errors import ContractError

ODCS_VERSION = "v3.1.0"


@dataclass(frozen=True)
class Schemas:
    """Everything under the schemas folder that could be read, and every problem of the rest.

    Attributes:
        contracts: By id, sorted.
        departments: By id, in the order of the register.
        fields: The dictionary by name, in the order of the file.
        findings: What is wrong, file by file.
    """

    contracts: dict[str, Contract]
    departments: dict[str, Department]
    fields: dict[str, DictionaryField]
    findings: tuple[Finding, ...]


def load_contracts(schemas_dir: Path) -> dict[str, Contract]:
    """Every contract, by id, sorted; none that the linter refuses, so no later step has to think of it.

    Raises:
        ContractError: At least one file is wrong; the message lists every problem of every file.
    """
    schemas = read_schemas(read_files(schemas_dir))
    refuse((*schemas.findings, *lint(schemas.contracts, schemas.departments, schemas.fields)))
    if not schemas.contracts:
        raise ContractError(f"no contract in {schemas_dir}; set COMMONWEAL_SCHEMAS_DIR to the folder that holds them")
    return schemas.contracts


def load_contract(schemas_dir: Path, dataset_id: str) -> Contract:
    """The contract of one dataset.

    Raises:
        ContractError: The id is not one, there is no such contract, or a contract is wrong.
    """
    if not DATASET_ID.fullmatch(dataset_id):
        raise ContractError("a dataset id is <department>.<dataset>, both of lower-case letters, digits and _; correct the id")
    contracts = load_contracts(schemas_dir)
    if dataset_id not in contracts:
        raise ContractError(f"{dataset_id}: no such contract; known are {', '.join(contracts)}")
    return contracts[dataset_id]


def load_departments(schemas_dir: Path) -> dict[str, Department]:
    """The department register, by id, in the order of the file.

    Raises:
        ContractError: The register is missing or wrong.
    """
    texts = read_files(schemas_dir)
    document, findings = _document(DEPARTMENTS_FILE, texts.get(DEPARTMENTS_FILE))
    departments, problems = parse_departments(document) if not findings else ({}, [])
    refuse(findings + problems)
    return departments


def read_files(schemas_dir: Path) -> dict[str, bytes]:
    """The YAML files under a schemas folder by relative path; links are not followed, a file that is too long is cut.

    A cut file is still too long for :func:`read_schemas`, which refuses it.
    """
    paths = [path for path in sorted(schemas_dir.rglob("*.y*ml")) if path.is_file() and not path.is_symlink()]
    return {path.relative_to(schemas_dir).as_posix(): _read_bounded(path) for path in paths}


def read_schemas(texts: Mapping[str, bytes]) -> Schemas:
    """The contracts, registers and problems that the files hold: a pure function of their texts."""
    documents: dict[str, object] = {}
    findings: list[Finding] = []
    for file in sorted({*texts, DEPARTMENTS_FILE, FIELDS_FILE}):
        documents[file], problems = _document(file, texts.get(file))
        findings += problems
    broken = {finding.file for finding in findings}
    departments, problems = parse_departments(documents.pop(DEPARTMENTS_FILE)) if DEPARTMENTS_FILE not in broken else ({}, [])
    fields, more = parse_fields(documents.pop(FIELDS_FILE)) if FIELDS_FILE not in broken else ({}, [])
    findings += problems + more
    contracts: dict[str, Contract] = {}
    for file in sorted(set(documents) - broken - {DEPARTMENTS_FILE, FIELDS_FILE}):
        contract, problems = _contract(file, documents[file], departments, fields)
        findings += problems
        contracts |= {contract.id: contract} if contract else {}
    files = {dataset_of(file) for file in texts}
    findings += input_findings(contracts, files, contract_file)
    return Schemas(dict(sorted(contracts.items())), departments, fields, tuple(sorted(findings)))


def odcs_schema() -> dict[str, Any]:
    """The standard's own JSON Schema, version 3.1.0."""
    schema: dict[str, Any] = json.loads(
        resources.files("commonweal.contract").joinpath("odcs-3.1.0.schema.json").read_text("utf-8")
    )
    return schema


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def _document(file: str, content: bytes | None) -> tuple[object, list[Finding]]:
    if content is None:
        return None, [Finding(file, "", "file_missing", "missing, or not a plain file; put the file there")]
    try:
        return read_yaml(content.decode("utf-8")), []
    except StrictYamlError as error:
        return None, [Finding(file, f"line {error.line}", error.rule, error.cure)]
    except UnicodeDecodeError:
        return None, [Finding(file, "", "yaml_encoding", "not UTF-8; save the file as UTF-8")]


def _contract(
    file: str, document: object, departments: Mapping[str, Department], fields: Mapping[str, DictionaryField]
) -> tuple[Contract | None, list[Finding]]:
    findings = _path_findings(file, departments)
    if not isinstance(document, dict):
        return None, [*findings, Finding(file, "", "odcs_type", "a contract is a mapping; start from schemas/README.md")]
    findings += _identity_findings(file, document) + _standard_findings(file, document)
    reader = Reader(file, fields)
    contract = reader.contract(document)
    findings += reader.findings
    return None if findings else contract, findings


def _path_findings(file: str, departments: Mapping[str, Department]) -> list[Finding]:
    parts = file.removesuffix(".yaml").split("/")
    if not file.endswith(".yaml") or len(parts) != 2 or not all(NAME.fullmatch(part) for part in parts):
        return [
            Finding(file, "", "path_is_id", "a contract is <department>/<dataset>.yaml, named [a-z][a-z0-9_]*; move the file")
        ]
    if parts[0] in RESERVED:
        return [Finding(file, "", "reserved_department", f"{parts[0]} is a name of the platform; use the department's own")]
    if departments and parts[0] not in departments:
        return [
            Finding(file, "", "unknown_department", f"{parts[0]} is not in {DEPARTMENTS_FILE}; add it there or move the file")
        ]
    return []


def _identity_findings(file: str, document: dict[str, Any]) -> list[Finding]:
    expected = dataset_of(file)
    wanted = {"id": expected, "domain": expected.split(".")[0], "apiVersion": ODCS_VERSION}
    found = [
        Finding(file, name, "path_is_id", f"must be {value}; correct it, or move the file")
        for name, value in wanted.items()
        if document.get(name) != value
    ]
    if not re.fullmatch(r"(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})", str(document.get("version"))):
        found.append(Finding(file, "version", "version_shape", "must be <major>.<minor>.<patch>; correct it"))
    return found


@functools.cache
def _standard() -> jsonschema_rs.Draft201909Validator:
    return jsonschema_rs.Draft201909Validator(odcs_schema())


def _standard_findings(file: str, document: dict[str, Any]) -> list[Finding]:
    return [
        Finding(
            file,
            ".".join(map(str, error.instance_path)),
            f"odcs_{error.schema_path[-1]}",
            f"{error.message[:200]}; follow ODCS 3.1",
        )
        for error in _standard().iter_errors(document)
    ]
