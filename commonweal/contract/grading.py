"""Our rules for datacontract-cli's detector: what a change of the interface means to a publisher and a reader.

Imported only when contracts are compared: the library takes over a second to load.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from datacontract.breaking.detector import BreakingChangeDetector
from datacontract.breaking.rules import DEFAULT_RULES, BreakingChangeRule, RuleEvaluation
from datacontract.changelog.changelog import build_changelog
from datacontract.changelog.normalize import normalize_pair
from datacontract.model.breaking import BreakingChangeEntry, Direction, Perspective
from datacontract.model.changelog import ChangelogEntry, ChangelogResult, ChangelogType
from open_data_contract_standard.model import OpenDataContractStandard

_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


class DecimalRule(BreakingChangeRule):
    """A decimal that still holds every earlier value is wider, not another type; the library's own rule says the opposite."""

    rule_id = "decimal-size-changed"

    def evaluate(self, entry: ChangelogEntry, before: dict[str, Any], after: dict[str, Any]) -> RuleEvaluation | None:  # noqa: ARG002
        """The direction when a decimal's size changed."""
        old, new = (_DECIMAL.fullmatch(value or "") for value in (entry.old_value, entry.new_value))
        if not entry.path.endswith(".physicalType") or not old or not new:
            return None
        wider = int(new[1]) - int(new[2]) >= int(old[1]) - int(old[2]) and int(new[2]) >= int(old[2])
        return RuleEvaluation(self.rule_id, Direction.LOOSENS if wider else Direction.TIGHTENS, f"{old[0]} became {new[0]}")


class FieldRule(BreakingChangeRule):
    """A field that is gone breaks readers; a new one breaks publishers only if it is required."""

    rule_id = "field-added-or-removed"

    def evaluate(self, entry: ChangelogEntry, before: dict[str, Any], after: dict[str, Any]) -> RuleEvaluation | None:  # noqa: ARG002
        """The direction when a whole field came or went."""
        parts = entry.path.split(".")
        if len(parts) != 4 or parts[2] != "properties" or entry.type == ChangelogType.updated:
            return None
        if entry.type == ChangelogType.removed:
            return RuleEvaluation(self.rule_id, Direction.BOTH, "the field is gone")
        is_required = after["schema"][parts[1]]["properties"][parts[3]].get("required")
        return RuleEvaluation(self.rule_id, Direction.TIGHTENS if is_required else Direction.LOOSENS, "the field is new")


class KeyRule(BreakingChangeRule):
    """The business key says which rows are one case: any change of it, order included, is another dataset."""

    rule_id = "key-changed"

    def evaluate(self, entry: ChangelogEntry, before: dict[str, Any], after: dict[str, Any]) -> RuleEvaluation | None:  # noqa: ARG002
        """The direction when a field joined, left or moved within the key."""
        if not entry.path.endswith((".primaryKey", ".primaryKeyPosition")):
            return None
        return RuleEvaluation(self.rule_id, Direction.BOTH, "the business key is another")


def graded_changes(before: OpenDataContractStandard, after: OpenDataContractStandard) -> Iterator[BreakingChangeEntry]:
    """Each change of the interface that has a direction, as the library's entries."""
    old, new = (document.model_dump(exclude_none=True, by_alias=True) for document in (before, after))
    details: list[Mapping[str, Any]] = build_changelog(before, "before", after, "after")["detail"]["changes"]
    changelog = ChangelogResult(v1="before", v2="after", entries=[_entry(item) for item in details], summary=[])
    detector = BreakingChangeDetector((DecimalRule(), FieldRule(), KeyRule(), *DEFAULT_RULES))
    result = detector.detect(changelog, Perspective.PRODUCER, *normalize_pair(old, new))
    yield from (entry for entry in result.entries if entry.direction not in (None, Direction.UNTESTED))


def _entry(item: Mapping[str, Any]) -> ChangelogEntry:
    old, new = (str(item[name]) if item.get(name) is not None else None for name in ("old_value", "new_value"))
    return ChangelogEntry(path=item["path"], type=ChangelogType(item["changeType"].lower()), old_value=old, new_value=new)
