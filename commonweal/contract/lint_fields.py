"""Lint rules about fields: names, endings, the dictionary, keys, codes, protection of personal data."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from commonweal.contract.dictionary import DictionaryField
from commonweal.contract.model import Contract, Field
from commonweal.contract.names import NAME

Problem = tuple[str, str, str]

TREATMENT = re.compile(r"keep|pseudonym|drop|generalise\((year|area|band)\)")
PERIODS = ("month", "quarter", "year")
ENDINGS = {
    "_on": ("date",), "_at": ("timestamp",), "_cny": ("decimal",), "_pct": ("decimal", "integer"),
    "_days": ("integer", "decimal"), "_count": ("integer",), "_code": ("string",), "_no": ("string",), "_key": ("string",),
}  # fmt: skip
OPTIONS = {"pattern": "string", "min_length": "string", "max_length": "string", "minimum": "integer", "maximum": "integer"}
PROTECTION = {"none": 0, "quasi_identifier": 1, "sensitive": 2, "identifier": 3}
MAX_PATTERN = 200
IDENTIFIERS = ("resident_id", "credit_code")
_RISKY_PATTERN = re.compile(r"\(\?[=!<]|\\[1-9]|\([^()]*[+*}][^()]*\)[+*{]")


def field_problems(contract: Contract, dictionary: Mapping[str, DictionaryField]) -> Iterator[Problem]:
    """Every problem of a contract's fields: place, rule, cure."""
    for place, field in enumerate(contract.fields):
        path = f"schema.0.properties.{place}"
        for rule, cure in (*_name(field), *_type(field), *_codes(field), *_protection(field, contract)):
            yield path, rule, cure
        if field.name in dictionary:
            yield from ((path, "dictionary", cure) for cure in _dictionary(field, dictionary[field.name]))
    yield from _repeated(contract)
    yield from _key(contract)


def entry_problems(entry: DictionaryField) -> Iterator[tuple[str, str]]:
    """Problems of one entry of the dictionary itself: rule, cure."""
    yield from _ending(entry.name, entry.type)
    if (entry.identifier is not None and entry.personal == "identifier") != (entry.column is not None):
        yield "pseudonym_column", "a personal identifier needs the column of its pseudonym, and nothing else has one"
    if entry.identifier is not None and entry.type != "string":
        yield "identifier", "an identifier is of type string: as a number it would lose its zeros and its check character"
    if entry.identifier not in (None, *IDENTIFIERS):
        yield "identifier", f"a kind that can't be checked; one of {', '.join(IDENTIFIERS)}"
    if entry.column is not None and not entry.column.endswith("_key"):
        yield "pseudonym_column", "a pseudonym's column ends in _key"
    if (entry.type == "decimal") != (entry.precision is not None and entry.scale is not None):
        yield "decimal_size", "a decimal needs precision and scale, and nothing else has them"


def is_risky_pattern(pattern: str) -> bool:
    """True when a regular expression may take very long, or isn't one.

    >>> is_risky_pattern("(a+)+$"), is_risky_pattern("^[0-9]{6}$")
    (True, False)
    """
    if len(pattern) > MAX_PATTERN or _RISKY_PATTERN.search(pattern):
        return True
    try:
        re.compile(pattern)
    except re.error:
        return True
    return False


def _name(field: Field) -> Iterator[tuple[str, str]]:
    if not NAME.fullmatch(field.name) or not NAME.fullmatch(field.column):
        yield "name", "a field is named [a-z][a-z0-9_]*; rename it"
    if field.physical_name.strip() != field.physical_name or len(field.physical_name) > 200:
        yield "name", "physicalName begins or ends with a space, or is longer than 200; correct it"
    yield from _ending(field.name, field.type)
    if field.name.endswith("_key") and PROTECTION[field.personal] < PROTECTION["identifier"]:
        yield "ending", "_key is for pseudonyms, whose protection is identifier; a business number ends in _no"


def _ending(name: str, kind: str) -> Iterator[tuple[str, str]]:
    for ending, kinds in ENDINGS.items():
        if name.endswith(ending) and kind not in kinds:
            yield "ending", f"a name that ends in {ending} is of type {' or '.join(kinds)}; rename the field or correct its type"
    if kind == "date" and not name.endswith("_on") and name not in PERIODS:
        yield "ending", "a date ends in _on, or is the period month, quarter or year; rename the field"
    if kind == "timestamp" and not name.endswith("_at"):
        yield "ending", "an instant ends in _at; rename the field"
    if (kind == "boolean") != name.startswith(("is_", "has_")):
        yield "ending", "a boolean, and nothing else, begins with is_ or has_; rename the field or correct its type"


def _type(field: Field) -> Iterator[tuple[str, str]]:
    for option, kind in OPTIONS.items():
        if getattr(field, option) is not None and field.type != kind:
            yield "option", f"{option} is for {kind} only; remove it, or write a rule under quality"
    if field.type == "decimal" and not 1 <= (field.precision or 0) <= 38:
        yield "decimal_size", "precision is 1 to 38; correct physicalType"
    if field.type == "decimal" and (field.scale or 0) > (field.precision or 0):
        yield "decimal_size", "scale is larger than precision; correct physicalType"
    if field.pattern is not None and is_risky_pattern(field.pattern):
        yield "pattern", f"not a regular expression, longer than {MAX_PATTERN}, or one that may run for ever; write it plainly"
    if (field.name.endswith("_cny")) != (field.unit == "CNY"):
        yield "ending", "an amount in yuan has unit CNY and ends in _cny; correct one of them"


def _codes(field: Field) -> Iterator[tuple[str, str]]:
    if field.codes and field.type != "string":
        yield "codes", "a code list is for a string; correct the type"
    values = Counter(code.value for code in field.codes)
    physical = Counter(text for code in field.codes for text in {*code.physical, *(() if code.physical else (code.value,))})
    if any(count > 1 for count in (*values.values(), *physical.values())):
        yield "codes", "a code, or the way an export writes it, stands twice; keep one"
    if any(not code.value.strip() for code in field.codes):
        yield "codes", "a code is empty; write it or remove it"


def _protection(field: Field, contract: Contract) -> Iterator[tuple[str, str]]:
    if field.personal == "none":
        return
    treatment = field.treatment or ""
    if not TREATMENT.fullmatch(treatment):
        yield "treatment", "personal data needs a treatment: keep, pseudonym, generalise(year|area|band) or drop"
    elif field.personal == "identifier" and treatment not in ("pseudonym", "drop"):
        yield "treatment", "an identifier is never kept: write pseudonym or drop"
    elif contract.is_open and treatment in ("keep", "pseudonym"):
        yield "open_personal", "open data holds no personal column, pseudonyms included: generalise or drop it"


def _dictionary(field: Field, entry: DictionaryField) -> Iterator[str]:
    if field.type != entry.type:
        yield f"the dictionary says {entry.type}; use that type or another name"
    if field.type == "decimal" and ((field.precision or 0) > (entry.precision or 0) or (field.scale or 0) > (entry.scale or 0)):
        yield f"wider than the dictionary's decimal({entry.precision},{entry.scale}); narrow it"
    if field.unit != entry.unit:
        yield "the unit is not the dictionary's; the same name has the same unit everywhere"
    if PROTECTION[field.personal] < PROTECTION[entry.personal]:
        yield f"weaker protection than the dictionary's {entry.personal}; a contract may only strengthen it"


def _repeated(contract: Contract) -> Iterator[Problem]:
    names: dict[str, Iterable[str]] = {
        "name": (field.name for field in contract.fields),
        "column": (field.column for field in contract.fields),
        "physicalName": (field.physical_name for field in contract.fields),
    }
    for what, values in names.items():
        if any(count > 1 for count in Counter(values).values()):
            yield "schema.0.properties", "repeated_name", f"two fields have the same {what}; rename one"


def _key(contract: Contract) -> Iterator[Problem]:
    if not contract.key:
        yield "schema.0.properties", "key", "no field has primaryKey: true; name the business key"
    for name in contract.key:
        if contract.field(name).type not in ("string", "integer", "date"):
            yield "schema.0.properties", "key", f"{name}: a key is a string, integer or date; choose another"
