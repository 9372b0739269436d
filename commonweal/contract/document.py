"""An ODCS document and the field dictionary, made into one contract: a pure function.

The standard's own fields say what the standard can say; everything of government is in ``customProperties``, whose names are
listed here and nowhere else. A name that is not listed is refused, so that a slip of the pen is never silently ignored.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import rfc8785
from open_data_contract_standard.model import CustomProperty, DataQuality, OpenDataContractStandard, SchemaProperty
from pydantic import ValidationError

from commonweal.contract.dictionary import DictionaryField, read_strictly, validation_findings
from commonweal.contract.expectations import ALLOWED
from commonweal.contract.finding import Finding
from commonweal.contract.model import Contract

CONTRACT_PROPERTIES = {
    "zh", "datasetKind", "occurredAt", "sequence", "partitions", "inputs", "limits", "suppression", "coverage", "groupedBy",
    "purposes", "sharingAttribute", "sharingConditions", "sharingBasis", "openData", "classification",
}  # fmt: skip
FIELD_PROPERTIES = {"zh", "titleZh", "codes", "unit", "personal", "treatment"}
RULE_PROPERTIES = {"zh", "table", "mayBeEmpty"}
RETENTION = {
    "topic": "topic_days",
    "events": "events_days",
    "releases": "releases_days",
    "daily": "daily_days",
    "monthly": "monthly_days",
}
DECIMAL = re.compile(r"decimal\(([0-9]{1,2}),([0-9]{1,2})\)")


class Reader:
    """Reads one document; what is wrong with it gathers in ``findings``."""

    def __init__(self, file: str, dictionary: Mapping[str, DictionaryField]) -> None:
        self.findings: list[Finding] = []
        self._file = file
        self._dictionary = dictionary

    def contract(self, document: dict[str, Any]) -> Contract | None:
        """The contract, or None when something is wrong."""
        odcs = self._odcs(document)
        if odcs is None or not self._has_one_schema(odcs):
            return None
        raw = self._raw(odcs)
        raw["digest"] = _digest(
            document, [self._dictionary[field["name"]] for field in raw["fields"] if field["name"] in self._dictionary]
        )
        try:
            contract: Contract = read_strictly(Contract, raw)
        except ValidationError as error:
            self.findings += validation_findings(error, self._file)
            return None
        return None if self.findings else contract

    def _odcs(self, document: dict[str, Any]) -> OpenDataContractStandard | None:
        try:
            return OpenDataContractStandard.model_validate(document)
        except ValidationError as error:
            self.findings += validation_findings(error, self._file)
            return None

    def _has_one_schema(self, odcs: OpenDataContractStandard) -> bool:
        if len(odcs.schema_ or []) == 1:
            return True
        self._refuse("schema", "one_schema", "a contract describes one dataset: write exactly one entry under schema")
        return False

    def _raw(self, odcs: OpenDataContractStandard) -> dict[str, Any]:
        schema = (odcs.schema_ or [])[0]
        own = self._custom(odcs.customProperties, CONTRACT_PROPERTIES, "")
        about = odcs.description
        zh = self._custom(about.customProperties if about else None, {"zh"}, "description")
        fields = [self._field(item, f"schema.0.properties.{place}") for place, item in enumerate(schema.properties or [])]
        return {
            "id": odcs.id, "version": odcs.version, "status": odcs.status, "kind": own.get("datasetKind"),
            "title": {"en": odcs.name, "zh": own.get("zh")},
            "description": {"en": about.purpose if about else None, "zh": zh.get("zh")},
            "fields": fields, "key": _key(schema.properties or []), "tags": odcs.tags or [],
            "rules": [self._rule(item, f"schema.0.quality.{place}") for place, item in enumerate(schema.quality or [])],
            "is_open": own.get("openData", False), **self._promise(odcs), **_renamed(own),
        }  # fmt: skip

    def _promise(self, odcs: OpenDataContractStandard) -> dict[str, Any]:
        found: dict[str, Any] = {}
        days: dict[str, Any] = {}
        for place, item in enumerate(odcs.slaProperties or []):
            if item.property == "freshness" and item.unit == "minutes":
                found["freshness_minutes"] = item.value
            elif item.property == "retention" and item.unit == "d" and item.element in RETENTION:
                days[RETENTION[item.element]] = item.value
            else:
                self._refuse(f"slaProperties.{place}", "unknown_promise", "write freshness in minutes, or retention in d of "
                             + ", ".join(RETENTION))  # fmt: skip
        return found | {"retention": days}

    def _field(self, item: SchemaProperty, path: str) -> dict[str, Any]:
        entry = self._dictionary.get(item.name or "")
        if entry is None:
            self._refuse(path, "not_in_dictionary", "the field is not in _fields.yaml; use the name it has there, or add it")
        own = self._custom(item.customProperties, FIELD_PROPERTIES, path)
        raw: dict[str, Any] = {
            "name": item.name, "physical_name": item.physicalName or item.name, "column": (entry and entry.column) or item.name,
            "type": item.logicalType, "required": bool(item.required or item.primaryKey),
            "title": {"en": item.businessName or (entry and entry.title.en),
                      "zh": own.get("titleZh") or (entry and entry.title.zh)},
            "description": {"en": item.description or (entry and entry.description.en),
                            "zh": own.get("zh") or (entry and entry.description.zh)},
            "identifier": entry and entry.identifier, "unit": own.get("unit", entry and entry.unit),
            "personal": own.get("personal", entry.personal if entry else "none"), "treatment": own.get("treatment"),
            "codes": own.get("codes", []), **self._options(item, path),
        }  # fmt: skip
        return raw | (self._decimal(item, path) if item.logicalType == "number" else {})

    def _options(self, item: SchemaProperty, path: str) -> dict[str, Any]:
        names = {
            "pattern": "pattern",
            "minLength": "min_length",
            "maxLength": "max_length",
            "minimum": "minimum",
            "maximum": "maximum",
        }
        given = item.logicalTypeOptions or {}
        for name in sorted(set(given) - set(names)):
            self._refuse(
                f"{path}.logicalTypeOptions.{name}", "unknown_option", f"not read by the platform; use {', '.join(names)}"
            )
        return {names[name]: value for name, value in given.items() if name in names}

    def _decimal(self, item: SchemaProperty, path: str) -> dict[str, Any]:
        found = DECIMAL.fullmatch(item.physicalType or "")
        if not found:
            self._refuse(f"{path}.physicalType", "decimal_size", "a number needs physicalType decimal(precision,scale)")
            return {"type": "decimal", "precision": 1, "scale": 0}
        return {"type": "decimal", "precision": int(found[1]), "scale": int(found[2])}

    def _rule(self, item: DataQuality, path: str) -> dict[str, Any]:
        if item.type != "custom" or item.engine != "greatExpectations" or not isinstance(item.implementation, dict):
            self._refuse(path, "rule_engine", "a rule is type custom, engine greatExpectations; no sql, no text, no other engine")
        own = self._custom(item.customProperties, RULE_PROPERTIES, path)
        wanted = item.implementation if isinstance(item.implementation, dict) else {}
        for name in sorted(set(wanted) - {"type", "kwargs"}):
            self._refuse(
                f"{path}.implementation.{name}", "unknown_property", "an implementation has type and kwargs, nothing else"
            )
        allowed = ALLOWED.get(str(wanted.get("type")))
        return {
            "id": item.id, "expectation": wanted.get("type", ""), "kwargs": wanted.get("kwargs", {}),
            "sentence": {"en": item.description, "zh": own.get("zh")}, "table": own.get("table", "current"),
            "severity": item.severity or "fail", "may_be_empty": own.get("mayBeEmpty", False),
            "per_row": allowed.per_row if allowed else False,
        }  # fmt: skip

    def _custom(self, items: list[CustomProperty] | None, known: set[str], path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in items or []:
            place = f"{path}.customProperties" if path else "customProperties"
            if item.property not in known:
                self._refuse(place, "unknown_property", f"{item.property!r} is not one of {', '.join(sorted(known))}")
            elif item.property in found:
                self._refuse(place, "repeated_property", f"{item.property} stands twice; keep one")
            else:
                found[item.property] = item.value
        return found

    def _refuse(self, path: str, rule: str, cure: str) -> None:
        self.findings.append(Finding(self._file, path, rule, cure))


def _key(properties: Iterable[SchemaProperty]) -> list[str | None]:
    keys = [item for item in properties if item.primaryKey]
    return [item.name for item in sorted(keys, key=lambda item: item.primaryKeyPosition or 0)]


_SAME = ("sequence", "partitions", "inputs", "coverage", "limits", "suppression", "purposes", "classification")
_RENAMED = {
    "occurredAt": "occurred_at",
    "groupedBy": "grouped_by",
    "sharingAttribute": "sharing",
    "sharingConditions": "sharing_conditions",
    "sharingBasis": "sharing_basis",
    **{name: name for name in _SAME},
}


def _renamed(own: dict[str, Any]) -> dict[str, Any]:
    return {_RENAMED[name]: _snake(value) for name, value in own.items() if name in _RENAMED}


def _snake(value: object) -> object:
    """The same value with the keys of its mappings in snake case (the standard's names are in camel case)."""
    if isinstance(value, dict):
        return {re.sub(r"([A-Z])", r"_\1", key).lower(): _snake(item) for key, item in value.items()}
    return [_snake(item) for item in value] if isinstance(value, list) else value


def _digest(document: dict[str, Any], entries: list[DictionaryField]) -> str:
    """SHA-256 over the document and the dictionary's entries it uses: what the contract says, without comments and layout."""
    resolved: Any = {"document": document, "dictionary": [entry.model_dump(mode="json") for entry in entries]}
    return hashlib.sha256(rfc8785.dumps(resolved)).hexdigest()
