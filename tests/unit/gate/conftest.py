"""One small source, one small product, and what the audit of a candidate that is in order counts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from commonweal.contract.model import Code, Contract, Coverage, Field, Input, Limits, Rule, Text
from commonweal.gate.model import Accounting, JoinCoverage, PastRun, Report, RuleResult, Since
from commonweal.gate.verdict import verdict
from commonweal.render.suite import Suite, suite

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
ROWS = 1000


def text(words: str) -> Text:
    return Text(en=words, zh=f"{words}（中文）")


def field(name: str, kind: str = "string", **more: object) -> Field:
    named = {"name": name, "physical_name": name, "column": name, "title": text(name.title()), "description": text(name)}
    return Field.model_validate(named | {"type": kind} | more)


@dataclass(frozen=True)
class Candidate:
    """All that a verdict rests on."""

    contract: Contract
    suite: Suite
    results: tuple[RuleResult, ...]
    accounting: Accounting | None
    coverage: tuple[JoinCoverage, ...]
    since: Since

    def verdict(self):
        return verdict(
            self.contract,
            self.suite,
            self.results,
            accounting=self.accounting,
            coverage=self.coverage,
            since=self.since,
        )

    def report(self, *, trend: tuple[PastRun, ...] = (), title: Text | None = None) -> Report:
        return Report(
            dataset=self.contract.id,
            title=title or self.contract.title,
            run_id="a_1_ab12",
            attempt=7,
            verdict=self.verdict(),
            results=self.results,
            snapshots=dict.fromkeys(self.contract.tables, 8123456789012345678),
            rows={"current": self.since.rows_after},
            contract_version=self.contract.version,
            contract_digest=self.contract.digest,
            suite_digest=self.suite.digest,
            code_commit="0123abcd",
            started_at=NOW - timedelta(seconds=9),
            finished_at=NOW,
            accounting=self.accounting,
            coverage=self.coverage,
            since=self.since,
            trend=trend,
        )


@pytest.fixture
def source() -> Contract:
    codes = tuple(Code(value=value, title=text(value)) for value in ("open", "closed"))
    return Contract(
        id="hotline.ticket",
        version="1.2.0",
        kind="source",
        status="active",
        title=text("Tickets"),
        description=text("Tickets"),
        digest="c" * 64,
        key=("ticket_no",),
        occurred_at=("opened_on",),
        fields=(
            field("ticket_no", required=True, pattern="^T[0-9]+$", min_length=2, max_length=9),
            field("resident_id", required=True, column="person_key", identifier="resident_id", personal="identifier"),
            field("status_code", codes=codes),
            field("fee_cny", "decimal", precision=8, scale=2, minimum=0),
            field("opened_on", "date", required=True),
        ),
        rules=(
            Rule(id="fee_given", expectation="expect_column_values_to_not_be_null", kwargs={"column": "fee_cny"},
                 sentence=text("Every ticket has a fee."), severity="warn"),
            Rule(id="status_mostly_given", expectation="expect_column_values_to_not_be_null",
                 kwargs={"column": "status_code", "mostly": 0.8}, sentence=text("Most tickets have a status.")),
        ),
    )  # fmt: skip


@pytest.fixture
def product(source: Contract) -> Contract:
    changed = {
        "id": "data_bureau.ticket_person",
        "kind": "product",
        "occurred_at": (),
        "inputs": (Input(name="ticket", dataset="hotline.ticket"), Input(name="person", dataset="police.person")),
        "coverage": (Coverage(input="ticket", column="person_key", within="person"),),
    }
    return source.model_copy(update=changed)


@pytest.fixture
def good(source: Contract) -> Candidate:
    """A source's candidate that may be released."""
    rules = suite(source)
    accounting = Accounting(
        offsets=1100, gaps=10, landed=1090, accepted=1080, rejected=10, live=ROWS, superseded=50, duplicate=20, conflict=4,
        pending=2, withdrawn=4, open=1, repaired=6, dismissed=3,
    )  # fmt: skip
    since = Since(rows_before=980, rows_after=ROWS, withdrawn=1, rejected_open=1, set_aside=2, accepted=400)
    return Candidate(source, rules, clean(rules), accounting, (), since)


@pytest.fixture
def good_product(product: Contract) -> Candidate:
    """A product's candidate that may be released."""
    rules = suite(product)
    return Candidate(product, rules, clean(rules), None, (JoinCoverage("ticket", 990, 1000),), Since(None, ROWS))


@pytest.fixture
def may_be_empty(product: Contract) -> Contract:
    """The product with a contract under which it may have no rows."""
    return product.model_copy(update={"limits": Limits(min_rows=0)})


def clean(rules: Suite) -> tuple[RuleResult, ...]:
    """A result without a fault for each rule."""
    return tuple(RuleResult(rule, success=True, evaluated=ROWS) for rule in rules.rules)
