"""The platform's own rules for contracts; the standard's rules and the shape of a file are the loader's.

A rule is a function of one contract that yields a place, the rule's name and a cure. All are run; nothing stops at the first.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from commonweal.contract.dictionary import FIELDS_FILE, DictionaryField
from commonweal.contract.finding import Finding
from commonweal.contract.lint_fields import Problem, entry_problems, field_problems
from commonweal.contract.lint_rules import rule_problems
from commonweal.contract.model import Contract, Department, Text
from commonweal.contract.names import NAME, RESERVED, contract_file
from commonweal.contract.never_score import RULE, asks_for_score

STATUSES = ("draft", "active", "deprecated", "retired")
SHARING_CONDITIONS = (
    "purpose_bound", "no_onward_transfer", "minimum_necessary", "audit_logged", "delete_after_use", "human_check",
)  # fmt: skip
MIN_THRESHOLD = 10
MAX_PARTITIONS = 64
MAX_SETTLE_DAYS = 3650
MAX_DAYS = 36_500
_HAN = re.compile("[\u3400-\u9fff]")


def lint(
    contracts: Mapping[str, Contract], departments: Mapping[str, Department], fields: Mapping[str, DictionaryField]
) -> tuple[Finding, ...]:
    """Every breach of the platform's rules, sorted by file.

    Args:
        contracts: By id.
        departments: The register, by id.
        fields: The dictionary, by name.
    """
    found = [finding for contract in contracts.values() for finding in _contract(contract, fields)]
    found += [
        Finding(FIELDS_FILE, f"fields.{entry.name}", rule, cure) for entry in fields.values() for rule, cure in _entry(entry)
    ]
    found += [
        Finding(
            "_departments.yaml", f"departments.{item.id}", "name", f"named [a-z][a-z0-9_]*, and not {', '.join(sorted(RESERVED))}"
        )
        for item in departments.values()
        if not NAME.fullmatch(item.id) or item.id in RESERVED
    ]
    return tuple(sorted(found))


def _contract(contract: Contract, fields: Mapping[str, DictionaryField]) -> Iterator[Finding]:
    checks: tuple[Iterable[Problem], ...] = (
        ((place, RULE, "a score, rank, rating or label of a person is never shared; describe the fact and its rule instead")
         for place in asks_for_score(contract)),
        field_problems(contract, fields), rule_problems(contract), _texts(contract), _kind(contract), _sharing(contract),
        _suppression(contract), _numbers(contract),
    )  # fmt: skip
    for check in checks:
        yield from (Finding(contract_file(contract.id), *problem) for problem in check)


def _entry(entry: DictionaryField) -> Iterator[tuple[str, str]]:
    if not NAME.fullmatch(entry.name):
        yield "name", "a field is named [a-z][a-z0-9_]*; rename it"
    yield from entry_problems(entry)
    if any(not _is_bilingual(text) for text in (entry.title, entry.description)):
        yield "text", "English and Chinese are both needed; write the missing one"


def _is_bilingual(text: Text) -> bool:
    return bool(text.en.strip()) and not _HAN.search(text.en) and bool(_HAN.search(text.zh))


def _texts(contract: Contract) -> Iterator[Problem]:
    texts = [("name", contract.title), ("description", contract.description)]
    for place, field in enumerate(contract.fields):
        path = f"schema.0.properties.{place}"
        texts += [(path, field.title), (path, field.description), *((path, code.title) for code in field.codes)]
    texts += [(f"schema.0.quality.{place}", rule.sentence) for place, rule in enumerate(contract.rules)]
    texts += [("purposes", purpose.title) for purpose in contract.purposes]
    for path, text in texts:
        if not _is_bilingual(text):
            yield path, "text", "English (without Chinese characters) and Chinese are both needed; write the missing one"


def _kind(contract: Contract) -> Iterator[Problem]:
    if contract.status not in STATUSES:
        yield "status", "status", f"one of {', '.join(STATUSES)}"
    if contract.kind == "source":
        yield from _source(contract)
    elif not contract.inputs:
        yield "inputs", "kind", "a product is made from inputs; name them"
    elif contract.occurred_at or contract.sequence:
        yield "occurredAt", "kind", "a product has no occurredAt and no sequence; remove them"
    for item in contract.inputs:
        if not NAME.fullmatch(item.name):
            yield "inputs", "name", "an input is named [a-z][a-z0-9_]*, as the transform's argument; rename it"


def _source(contract: Contract) -> Iterator[Problem]:
    fields = {field.name: field for field in contract.fields}
    if contract.inputs:
        yield "inputs", "kind", "a source has no inputs; remove them, or make it a product"
    if not contract.occurred_at:
        yield "occurredAt", "occurred_at", "says when a state took effect; name at least one field"
    for name in contract.occurred_at:
        if name not in fields or fields[name].type not in ("date", "timestamp"):
            yield "occurredAt", "occurred_at", f"{name[:60]!r} is no date or timestamp field of the contract; correct it"
    if contract.occurred_at and not (fields.get(contract.occurred_at[-1]) or contract.fields[0]).required:
        yield "occurredAt", "occurred_at", "the last field listed must be required, so that there always is a time"
    if contract.sequence and (contract.sequence not in fields or fields[contract.sequence].type != "integer"):
        yield "sequence", "sequence", "no integer field of the contract; correct it or remove it"


def _sharing(contract: Contract) -> Iterator[Problem]:
    unknown = set(contract.sharing_conditions) - set(SHARING_CONDITIONS)
    if unknown or (contract.sharing == "conditional") != bool(contract.sharing_conditions):
        yield "sharingConditions", "sharing", f"for conditional sharing, and then one or more of {', '.join(SHARING_CONDITIONS)}"
    if (contract.sharing == "not_shared") != bool(contract.sharing_basis):
        yield "sharingBasis", "sharing", "not_shared, and nothing else, names the instrument and article that say so"
    if contract.is_open and (contract.sharing != "unconditional" or contract.classification != "general"):
        yield "openData", "sharing", "open data is shared unconditionally and classified general; correct it"
    if not contract.purposes:
        yield "purposes", "purpose", "nobody may read without a purpose; list at least one with its legal basis"
    for purpose in contract.purposes:
        if not NAME.fullmatch(purpose.code) or len(purpose.legal_basis.strip()) < 5:
            yield "purposes", "purpose", "a purpose has a code [a-z][a-z0-9_]* and a legal basis; write both"
    if len({purpose.code for purpose in contract.purposes}) < len(contract.purposes):
        yield "purposes", "repeated_name", "two purposes have the same code; rename one"


def _suppression(contract: Contract) -> Iterator[Problem]:
    if contract.is_open and contract.kind == "product" and contract.suppression is None:
        yield "suppression", "suppression", "an open product declares how small cells are hidden; add suppression"
    if contract.suppression is None:
        return
    rule = contract.suppression
    columns = {field.column for field in contract.fields}
    named = {
        *rule.dimensions,
        rule.period,
        rule.count,
        *rule.numerators,
        *rule.measures,
        *(name for margin in rule.margins for name in margin),
    }
    for name in sorted(named - columns):
        yield "suppression", "suppression", f"{name[:60]!r} is no column of the contract; correct it"
    if any(not set(margin) <= set(rule.dimensions) for margin in rule.margins):
        yield "suppression", "suppression", "a margin holds dimensions only; correct it"
    if not rule.dimensions or not {rule.count, *rule.numerators} <= set(rule.measures):
        yield (
            "suppression",
            "suppression",
            "dimensions are needed, and count and numerators are among the measures that are hidden",
        )
    if rule.threshold < MIN_THRESHOLD:
        yield "suppression", "suppression", f"the threshold is at least {MIN_THRESHOLD}"
    if not set(rule.values) <= set(rule.dimensions) or len(rule.numerators) > 1 or not 0 <= rule.settle_days <= MAX_SETTLE_DAYS:
        cure = f"values are of dimensions, numerators at most one, settleDays 0 to {MAX_SETTLE_DAYS}; correct it"
        yield "suppression", "suppression", cure


def _numbers(contract: Contract) -> Iterator[Problem]:
    limits, kept = contract.limits, contract.retention
    shares = [limits.max_share_withdrawn, limits.max_share_rejected, limits.max_share_set_aside, limits.min_join_coverage,
              limits.max_share_bad_rows]  # fmt: skip
    if any(not 0 <= share <= 1 for share in shares) or limits.max_rows_change <= 0:
        yield "limits", "number", "a share is 0 to 1 and maxRowsChange above 0; correct it"
    least = 1 if contract.kind == "source" else 0
    if limits.min_rows < least or limits.horizon_days < 0 or not 1 <= limits.batch_records <= 5_000_000:
        yield "limits", "number", f"minRows is at least {least}, horizonDays at least 0, batchRecords 1 to 5,000,000; correct it"
    if not 1 <= kept.topic_days <= kept.events_days or not 1 <= kept.releases_days <= kept.daily_days <= kept.monthly_days:
        yield "slaProperties", "number", "retention: 1 <= topic <= events, and 1 <= releases <= daily <= monthly; correct it"
    if max(limits.horizon_days, kept.events_days, kept.monthly_days) > MAX_DAYS:
        yield "slaProperties", "number", f"horizonDays and retention are at most {MAX_DAYS:,} days, a century; correct it"
    if contract.freshness_minutes < 1 or not 1 <= contract.partitions <= MAX_PARTITIONS:
        yield "slaProperties", "number", f"freshness is at least one minute, partitions 1 to {MAX_PARTITIONS}; correct it"
