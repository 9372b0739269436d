"""The one place that reads ``schemas/``: files in, frozen contracts out, or one error that lists every problem.

The path is the id: ``schemas/<department>/<dataset>.yaml`` holds ``<department>.<dataset>``. Reading the files and making
contracts of their texts are apart, so that the contracts of an old git revision are read by the same code.
"""

import functools
import json
import os
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
from commonweal.contract.names import DATASET_ID, NAME, RESERVED, contract_file, dataset_of, is_reserved
from commonweal.contract.soundness import UNREADABLE_FOLDER, Datasets, separated
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
    schemas, findings = _checked(schemas_dir)
    refuse(findings)
    return schemas.contracts


def load_datasets(schemas_dir: Path) -> Datasets:
    """Every dataset: those whose contract is in order, and beside them those whose contract is broken.

    For what goes on with the others while one contract is being mended. What takes anything away asks :func:`load_contracts`, or
    looks at the broken ones too.

    Raises:
        ContractError: A register is wrong, a folder can't be read, or there is no contract at all.
    """
    schemas, findings = _checked(schemas_dir)
    return separated(schemas.contracts, findings)


def load_contract(schemas_dir: Path, dataset_id: str) -> Contract:
    """The contract of one dataset, whatever is wrong with others that it isn't made from.

    Raises:
        ContractError: The id is not one, there is no such contract, or it is wrong.
    """
    if not DATASET_ID.fullmatch(dataset_id):
        raise ContractError("a dataset id is <department>.<dataset>, both of lower-case letters, digits and _; correct the id")
    return load_datasets(schemas_dir).contract(dataset_id)


def _checked(schemas_dir: Path) -> tuple[Schemas, tuple[Finding, ...]]:
    """What is under the folder, and all that is wrong with it."""
    schemas = read_schemas(read_files(schemas_dir))
    findings = (*schemas.findings, *lint(schemas.contracts, schemas.departments, schemas.fields))
    if not findings and not schemas.contracts:
        raise ContractError(f"no contract in {schemas_dir}; set COMMONWEAL_SCHEMAS_DIR to the folder that holds them")
    return schemas, findings


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


def read_files(schemas_dir: Path) -> dict[str, bytes | None]:
    """The YAML files under a schemas folder by relative path; links are not followed, a file that is too long is cut.

    What can't be read (a link, a file or a folder without rights) is there as None: passed over, its datasets would look removed.
    A cut file is still too long for :func:`read_schemas`, which refuses both.
    """
    found: dict[Path, bytes | None] = {}
    closed: list[OSError] = []
    for folder, folders, files in os.walk(schemas_dir, onerror=closed.append):
        paths = [Path(folder, name) for name in (*folders, *files)]
        found |= {path: _read_bounded(path) for path in paths if _is_meant(path)}
    found |= {Path(error.filename): None for error in closed if Path(error.filename) != schemas_dir}
    return {path.relative_to(schemas_dir).as_posix(): content for path, content in sorted(found.items())}


def read_schemas(texts: Mapping[str, bytes | None]) -> Schemas:
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


def _is_meant(path: Path) -> bool:
    """Whether somebody may have meant a contract; a hidden link is an editor's lock."""
    return not path.name.startswith(".") if path.is_symlink() else path.match("*.y*ml")


def _read_bounded(path: Path) -> bytes | None:
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError:
        return None


def _document(file: str, content: bytes | None) -> tuple[object, list[Finding]]:
    if content is None and not file.endswith((".yaml", ".yml")):
        cure = "a link, or a folder that can't be read, hides the contracts in it; put a plain folder there"
        return None, [Finding(file, "", UNREADABLE_FOLDER, cure)]
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
    if is_reserved(parts[1]):
        cure = f"{parts[1]} is how Iceberg names a part of a table (its snapshots, files, branches …); rename the dataset"
        return [Finding(file, "", "reserved_dataset", cure)]
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
