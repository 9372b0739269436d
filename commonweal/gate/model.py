"""The gate's values: what was measured, what follows from it, and all that a report shows. Counts only, never a row's value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from commonweal.contract.model import Rule, Severity, TableName, Text


@dataclass(frozen=True)
class RuleResult:
    """What the engine counted for one rule.

    Attributes:
        rule: The rule as planned.
        success: Whether the engine holds the rule for kept; never enough by itself.
        evaluated: Rows of the table that the engine looked at.
        missing: Rows among them that the rule does not judge, since their value is missing.
        unexpected: Rows that break the rule.
        raised: True when the engine could not run the rule; the counts are then 0.
    """

    rule: Rule
    success: bool
    evaluated: int = 0
    missing: int = 0
    unexpected: int = 0
    raised: bool = False

    @property
    def judged(self) -> int:
        """Rows that the rule really looked at."""
        return self.evaluated - self.missing

    @property
    def share_failed(self) -> float:
        """Share of the judged rows that break the rule, 0 when none was judged."""
        return self.unexpected / self.judged if self.judged > 0 else 0.0


@dataclass(frozen=True)
class Accounting:
    """Where every offset of the dataset's topics went, from Kafka to the candidate, since the first one.

    Attributes:
        offsets: Offsets from the first to the last landed.
        gaps: Offsets that hold no record, as landing recorded them.
        landed: Landing rows: accepted and rejected.
        expired: Records that had landed and are past the contract's retention; their keys keep their state.
    """

    offsets: int
    gaps: int
    landed: int
    accepted: int
    rejected: int
    live: int
    superseded: int
    duplicate: int
    conflict: int
    pending: int
    withdrawn: int
    open: int
    repaired: int
    dismissed: int
    expired: int = 0

    @property
    def offsets_add_up(self) -> bool:
        """Every offset was landed, or is known to hold no record, or its record has expired."""
        return self.landed + self.gaps + self.expired == self.offsets

    @property
    def landed_adds_up(self) -> bool:
        """Every landed record was accepted or rejected."""
        return self.landed == self.accepted + self.rejected

    @property
    def accepted_adds_up(self) -> bool:
        """Every accepted event has one fate."""
        fates = self.live, self.superseded, self.duplicate, self.conflict, self.pending, self.withdrawn
        return self.accepted == sum(fates)

    @property
    def rejected_adds_up(self) -> bool:
        """Every rejected event is open, repaired or dismissed."""
        return self.rejected == self.open + self.repaired + self.dismissed


@dataclass(frozen=True)
class JoinCoverage:
    """How many rows of one side of a product's join found their partner.

    Attributes:
        input: The input's name in the contract.
        matched: Rows that found one.
        total: Rows that should.
    """

    input: str
    matched: int
    total: int


@dataclass(frozen=True)
class Since:
    """What happened since the last release.

    Attributes:
        rows_before: Rows that people can read now; None before the first release.
        rows_after: Rows that they would read: live rows of the candidate's ``current``.
        withdrawn: Business keys withdrawn.
        rejected_open: Events rejected and neither repaired nor dismissed.
        set_aside: Accepted events in conflict or pending.
        accepted: Events accepted.
        gaps: Offsets that were read and hold no record.
    """

    rows_before: int | None
    rows_after: int
    withdrawn: int = 0
    rejected_open: int = 0
    set_aside: int = 0
    accepted: int = 0
    gaps: int = 0


@dataclass(frozen=True)
class Check:
    """One thing that the verdict looked at.

    Attributes:
        id: Stable name; ``rule:<id>`` for a rule of the suite.
        severity: ``fail`` refuses the release when it does not succeed, ``warn`` is reported.
        count: What was counted: rows, events or rules, as the sentence says.
        share: The same as a fraction, where there is one.
        sentence: What was looked at and found, in plain words.
        cure: What to do next; empty when it succeeded.
    """

    id: str
    severity: Severity
    success: bool
    count: int
    share: float | None
    sentence: Text
    cure: Text = Text(en="", zh="")


@dataclass(frozen=True)
class Verdict:
    """All checks; a verdict without any refuses.

    Attributes:
        checks: Those on the run as a whole first, then one per rule.
    """

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether the candidate may be released."""
        return bool(self.checks) and not self.refusals

    @property
    def refusals(self) -> tuple[Check, ...]:
        """The checks that refuse the release."""
        return tuple(check for check in self.checks if not check.success and check.severity != "warn")

    @property
    def warnings(self) -> tuple[Check, ...]:
        """The checks that failed and are only reported."""
        return tuple(check for check in self.checks if not check.success and check.severity == "warn")


@dataclass(frozen=True)
class PastRun:
    """One earlier run of the gate, for the trend; shares are fractions of one."""

    at: datetime
    passed: bool
    rows: int
    share_rejected: float
    share_set_aside: float


@dataclass(frozen=True)
class Report:
    """All that the report of one run shows.

    Attributes:
        verdict: The verdict.
        results: One result per rule.
        accounting: For a source.
        coverage: For a product: its joins.
        snapshots: Snapshot id by table: exactly what was audited.
        rows: Rows by table.
        trend: Earlier runs and this one, oldest first.
        release: Number of the release that this run led to, if it is known already.
    """

    dataset: str
    title: Text
    run_id: str
    attempt: int
    verdict: Verdict
    results: tuple[RuleResult, ...]
    snapshots: Mapping[TableName, int]
    rows: Mapping[TableName, int]
    contract_version: str
    contract_digest: str
    suite_digest: str
    code_commit: str
    started_at: datetime
    finished_at: datetime
    accounting: Accounting | None = None
    coverage: tuple[JoinCoverage, ...] = ()
    since: Since | None = None
    trend: tuple[PastRun, ...] = ()
    release: int | None = None
