"""Contract -> JSON Schema (2020-12) of an event's value: what publish and landing check every record against.

Decimals travel as texts, since a JSON number may pass through a float on its way. Dates and instants are bound by pattern and
by ``format``: the validator must be built with format checks on. A field that is not required may be null or left out.
"""

from typing import Any

from commonweal.contract.model import Contract, Field

DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"
LONG = 2**63
MAX_TEXT = 4000


def event_schema(contract: Contract) -> dict[str, Any]:
    """The JSON Schema of the value of one event of the dataset.

    A resident's number is only bounded here: landing checks its shape and checksum after it has normalised it.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:commonweal:{contract.id}:{contract.version}",
        "title": contract.title.en,
        "type": "object",
        "additionalProperties": False,
        "required": [field.name for field in contract.fields if field.required],
        "properties": {field.name: _property(field) for field in contract.fields},
    }


def decimal_pattern(precision: int, scale: int) -> str:
    r"""The pattern of a decimal's text with at most ``precision`` digits, ``scale`` of them after the point.

    >>> decimal_pattern(12, 2)
    '^-?(0|[1-9][0-9]{0,9})(\\.[0-9]{1,2})?$'
    """
    digits = precision - scale
    whole = "0" if digits < 1 else "(0|[1-9])" if digits == 1 else f"(0|[1-9][0-9]{{0,{digits - 1}}})"
    return f"^-?{whole}{_fraction(scale)}$"


def _fraction(scale: int) -> str:
    return rf"(\.[0-9]{{1,{scale}}})?" if scale else ""


def _property(field: Field) -> dict[str, Any]:
    schema = {"title": field.title.en, **_shape(field)}
    if field.codes:
        schema = {"title": field.title.en, "type": schema["type"], "enum": [code.value for code in field.codes]}
    return schema if field.required else _nullable(schema)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [schema["type"], "null"]} | enum


def _shape(field: Field) -> dict[str, Any]:
    if field.type == "string":
        return _text(field)
    if field.type == "integer":
        least, most = _bounds(field)
        return {"type": "integer", "minimum": least, "maximum": most}
    if field.type == "decimal":
        return {"type": "string", "pattern": decimal_pattern(field.precision or 1, field.scale or 0)}
    if field.type == "date":
        return {"type": "string", "format": "date", "pattern": DATE}
    if field.type == "timestamp":
        return {"type": "string", "format": "date-time", "pattern": INSTANT}
    return {"type": "boolean"}


def _bounds(field: Field) -> tuple[int, int]:
    least = -LONG if field.minimum is None else int(field.minimum)
    return least, LONG - 1 if field.maximum is None else int(field.maximum)


def _text(field: Field) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "string", "maxLength": field.max_length or MAX_TEXT}
    if field.min_length is not None:
        found["minLength"] = field.min_length
    if field.pattern is not None:
        found["pattern"] = field.pattern
    return found
