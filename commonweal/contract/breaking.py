"""Which change of a contract breaks a publisher or a reader, and so needs a new major version.

Two comparisons make one list. The interface (fields, types, bounds, codes, key) is compared by datacontract-cli, with our rules
before its own; what only the government fields say (when a state takes effect, pseudonyms, purposes, sharing) is compared here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from commonweal.contract.inputs import downstream
from commonweal.contract.model import Contract, Field
from commonweal.contract.standard import standard_document

Level = Literal["breaking", "review", "compatible"]
_SHARED = {"unconditional": 0, "conditional": 1, "not_shared": 2}


@dataclass(frozen=True, order=True)
class Change:
    """One difference between two versions of a contract.

    Attributes:
        level: ``breaking`` needs a new major version; ``review`` is for a person to look at; ``compatible`` is neither.
        path: What changed.
        rule: Stable name of the rule that graded it.
        text: The difference in words.
    """

    level: Level
    path: str
    rule: str
    text: str


@dataclass(frozen=True)
class Comparison:
    """What happened to one dataset.

    Attributes:
        version: The new version, None when the contract is gone.
        downstream: Datasets made from it, directly or through others, then or now.
        refused: Why the change may not be made as it is, empty when it may.
    """

    dataset: str
    before: str
    version: str | None
    changes: tuple[Change, ...]
    downstream: tuple[str, ...]
    refused: str = ""

    @property
    def is_breaking(self) -> bool:
        """True when a publisher or reader of the earlier version would notice."""
        return any(change.level == "breaking" for change in self.changes)


def compare(before: Mapping[str, Contract], after: Mapping[str, Contract]) -> tuple[Comparison, ...]:
    """Every dataset of ``before`` that has changed, with what changed; a new dataset breaks nobody."""
    changed = (item for item in sorted(before) if item not in after or before[item].digest != after[item].digest)
    return tuple(_comparison(before, after, item) for item in changed)


def contract_changes(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Every difference that a publisher or reader could notice, the gravest first."""
    order = {"breaking": 0, "review": 1, "compatible": 2}
    found = {*_interface(old, new), *_meaning(old, new), *_fields(old, new), *_sharing(old, new)}
    return tuple(sorted(found, key=lambda change: (order[change.level], change)))


def _comparison(before: Mapping[str, Contract], after: Mapping[str, Contract], dataset: str) -> Comparison:
    old, new = before[dataset], after.get(dataset)
    followers = tuple(sorted({*downstream(before, dataset), *downstream(after, dataset)}))
    if new is None:
        gone = Change("breaking", dataset, "dataset-removed", "the contract is gone")
        refused = "" if old.status == "retired" else "retire it first: status retired, in a version of its own"
        return Comparison(dataset, old.version, None, (gone,), followers, refused)
    changes = contract_changes(old, new)
    return Comparison(dataset, old.version, new.version, changes, followers, _refusal(old, new, changes))


def _refusal(old: Contract, new: Contract, changes: tuple[Change, ...]) -> str:
    if any(change.level == "breaking" for change in changes) and new.major <= old.major:
        return f"raise version to {old.major + 1}.0.0: the change breaks publishers or readers"
    if _number(new.version) <= _number(old.version):
        return "raise version: the contract is another than the one of that version"
    return ""


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _interface(old: Contract, new: Contract) -> Iterator[Change]:
    from commonweal.contract.grading import graded_changes

    for entry in graded_changes(standard_document(old), standard_document(new)):
        path = entry.path.removeprefix(f"schema.{new.name}.properties.")
        yield Change(_level(str(entry.direction and entry.direction.value), path), path, entry.rule_id, entry.message)


def _level(direction: str, path: str) -> Level:
    if direction in ("tightens", "both"):
        return "breaking"
    # Readers may now meet a null or a code that they don't know.
    if direction == "undetermined" or path.endswith(".required") or ".enum" in path:
        return "review"
    return "compatible"


def _meaning(old: Contract, new: Contract) -> Iterator[Change]:
    for name in ("kind", "occurred_at", "sequence"):
        if getattr(old, name) != getattr(new, name):
            yield Change("breaking", name, f"{name.replace('_', '-')}-changed", "the order of states is another")
    if old.inputs != new.inputs:
        yield Change("review", "inputs", "inputs-changed", "the dataset is made from other inputs")
    for name, days in new.retention.model_dump().items():
        if days < getattr(old.retention, name):
            yield Change("review", f"retention.{name}", "retention-lowered", "what is older goes at the next night, for good")
    if old.suppression != new.suppression:
        yield Change("review", "suppression", "suppression-changed", "other cells are hidden than in what is already published")


def _fields(old: Contract, new: Contract) -> Iterator[Change]:
    after = {field.name: field for field in new.fields}
    for field in old.fields:
        if field.name in after:
            yield from _field(field, after[field.name])


def _field(old: Field, new: Field) -> Iterator[Change]:
    if (old.column, old.identifier) != (new.column, new.identifier):
        yield Change("breaking", old.name, "column-changed", "the lake has another column for it")
    if old.unit != new.unit:
        yield Change("breaking", old.name, "unit-changed", "the same number means something else")
    if (old.personal, old.treatment) != (new.personal, new.treatment):
        yield Change("review", old.name, "protection-changed", "the protection of the field is another")
    if old.physical_name != new.physical_name:
        yield Change("review", old.name, "physical-name-changed", "the department's export must name the column so")
    before, after = ({(text, code.value) for code in field.codes for text in code.physical} for field in (old, new))
    if before - after:
        yield Change("review", old.name, "physical-code-removed", "an export that still writes the code so is refused")


def _sharing(old: Contract, new: Contract) -> Iterator[Change]:
    gone = {purpose.code for purpose in old.purposes} - {purpose.code for purpose in new.purposes}
    for code in sorted(gone):
        yield Change("breaking", f"purposes.{code}", "purpose-removed", "who reads for it loses access")
    if old.sharing != new.sharing:
        level: Level = "breaking" if _SHARED[new.sharing] > _SHARED[old.sharing] else "review"
        yield Change(level, "sharingAttribute", "sharing-changed", f"{old.sharing} became {new.sharing}")
    if old.is_open and not new.is_open:
        yield Change("breaking", "openData", "open-data-ended", "the public loses access")
