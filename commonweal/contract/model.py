"""The contract as frozen values: what every renderer and every step reads.

A file under ``schemas/`` is read into these values by ``commonweal.contract.loader`` and by nothing else. The values know
nothing about where they are stored, and hold no connection, path or clock.
"""

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

FieldType = Literal["string", "integer", "decimal", "boolean", "date", "timestamp"]
Personal = Literal["none", "identifier", "quasi_identifier", "sensitive"]
Severity = Literal["fail", "warn"]
TableName = Literal["current", "history"]


class Frozen(BaseModel):
    """A value: immutable, and strict about what it may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(Frozen):
    """A text that people of a department read, in English and Chinese."""

    en: str
    zh: str


class Code(Frozen):
    """One member of a code list.

    Attributes:
        value: The code in the lake.
        title: What it means.
        physical: How the department's own export writes it; empty when it writes ``value``.
    """

    value: str
    title: Text
    physical: tuple[str, ...] = ()


class Field(Frozen):
    """One field of a dataset.

    Attributes:
        name: Name in events and in the lake (``snake_case``, from the field dictionary).
        physical_name: Name in the department's own export.
        type: Logical type; ``decimal`` has ``precision`` and ``scale``; ``timestamp`` is a UTC instant.
        identifier: The kind of identifier (``resident_id``, ``credit_code``) when the value is one, else None.
        column: Name in the lake: ``name``, or for a personal identifier the pseudonym's (``person_key``).
        treatment: For a shared dataset: ``keep``, ``pseudonym``, ``generalise(…)`` or ``drop``.
    """

    name: str
    physical_name: str
    column: str
    type: FieldType
    title: Text
    description: Text
    required: bool = False
    precision: int | None = None
    scale: int | None = None
    codes: tuple[Code, ...] = ()
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    identifier: str | None = None
    personal: Personal = "none"
    treatment: str | None = None

    @property
    def is_pseudonymised(self) -> bool:
        """True when landing replaces the value by a pseudonym in ``column``."""
        return self.identifier is not None and self.personal == "identifier"


class Rule(Frozen):
    """One quality rule, run by the gate as one Great Expectations expectation.

    Attributes:
        id: Stable name within the contract (``snake_case``).
        table: The table it is run on.
        expectation: Expectation type in snake case, from the allow-list (``expect_column_values_to_not_be_null``).
        kwargs: Arguments of the expectation; column names are those of the lake.
        severity: ``fail`` refuses the release, ``warn`` is reported.
        sentence: The rule in a plain sentence.
        may_be_empty: True when the rule may look at no rows at all.
        per_row: True for a rule about one row alone; false for one about a set of rows (unique, references, counts).
    """

    id: str
    expectation: str
    kwargs: dict[str, Any]
    sentence: Text
    table: TableName = "current"
    severity: Severity = "fail"
    may_be_empty: bool = False
    per_row: bool = True


class Limits(Frozen):
    """What the gate, publishing and landing tolerate. Shares are fractions of one; changes are against the last release."""

    min_rows: int = 1
    max_rows_change: float = 0.5
    max_share_withdrawn: float = 0.05
    max_share_rejected: float = 0.01
    max_share_set_aside: float = 0.01
    min_join_coverage: float = 0.95
    max_share_bad_rows: float = 0.05
    horizon_days: int = 1
    batch_records: int = 500_000


class Input(Frozen):
    """One input of a product: the transform's argument ``name`` is the released ``table`` of ``dataset``."""

    name: str
    dataset: str
    table: TableName = "current"


class Coverage(Frozen):
    """One join of a product that must find partners: rows of ``input`` whose ``column`` stands in the input ``within`` too."""

    input: str
    column: str
    within: str


class Suppression(Frozen):
    """Suppression of small cells in open data.

    Attributes:
        dimensions: Columns that make a cell, without the period. The value ``all`` stands for a total.
        period: The column with the first day of the period; only closed periods are published, each once.
        count: The column with the number of persons or cases in the cell.
        numerators: Columns that count a part of ``count``, at most one; it and its complement fall under the threshold too.
        measures: All columns that are hidden together when a cell is hidden.
        margins: The published margins: each a set of dimensions over which totals appear.
        threshold: Cells with fewer than this many are hidden; zero counts as small.
        period_unit: How long a period is; quarters and years are those of the calendar.
        settle_days: Days from the end of a period until it is closed, and until a later period that has data begins.
        revisions: Announced days on which periods already published are worked out anew.
        values: All values of each dimension, so that an absent one says nothing; those seen, for a dimension left out.
    """

    dimensions: tuple[str, ...]
    period: str
    count: str
    numerators: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    margins: tuple[tuple[str, ...], ...] = ()
    threshold: int = 10
    period_unit: Literal["month", "quarter", "year"] = "month"
    settle_days: int = 0
    revisions: tuple[date, ...] = ()
    values: dict[str, tuple[str, ...]] = {}


class Retention(Frozen):
    """How long things are kept, in days: records in the topic, landed events, every release, one release a day, one a month."""

    topic_days: int = 90
    events_days: int = 3650
    releases_days: int = 7
    daily_days: int = 90
    monthly_days: int = 3650


class Purpose(Frozen):
    """One purpose for which the dataset may be read: closed list, with the legal basis that allows it."""

    code: str
    title: Text
    legal_basis: str


class Contract(Frozen):
    """One dataset's contract.

    Attributes:
        id: ``department.dataset``; also the path of the file, the topic, the tables, the DAG and the page.
        kind: ``source`` (events of a department) or ``product`` (made from released inputs by one transform).
        key: Fields of the business key; one row of ``current`` per key.
        occurred_at: Fields of which the first non-null says when a state took effect; empty for a product.
        sequence: Field that orders states of one instant, or None.
        grouped_by: For a product: a column of it and of all its inputs, if what the transform finds for one value of it follows
            from the inputs' rows of that value alone.
        sharing: ``unconditional``, ``conditional`` or ``not_shared`` (Decree 809).
        sharing_basis: For ``not_shared``: the instrument and article that say so.
        freshness_minutes: Promise: a published event is readable in a release within this many minutes.
        partitions: Number of partitions of the topic.
        digest: SHA-256 of the contract's canonical JSON, without comments and layout.
    """

    id: str
    version: str
    kind: Literal["source", "product"]
    status: str
    title: Text
    description: Text
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    digest: str
    occurred_at: tuple[str, ...] = ()
    sequence: str | None = None
    inputs: tuple[Input, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    grouped_by: str | None = None
    rules: tuple[Rule, ...] = ()
    limits: Limits = Limits()
    retention: Retention = Retention()
    suppression: Suppression | None = None
    purposes: tuple[Purpose, ...] = ()
    sharing: Literal["unconditional", "conditional", "not_shared"] = "conditional"
    sharing_conditions: tuple[str, ...] = ()
    sharing_basis: str | None = None
    is_open: bool = False
    classification: Literal["general", "important", "core"] = "general"
    freshness_minutes: int = 60
    partitions: int = 2
    tags: tuple[str, ...] = ()

    @property
    def department(self) -> str:
        """The department that owns the dataset."""
        return self.id.split(".")[0]

    @property
    def name(self) -> str:
        """The dataset's name within its department."""
        return self.id.split(".")[1]

    @property
    def major(self) -> int:
        """Major version: a breaking change raises it, and with it the topic."""
        return int(self.version.split(".")[0])

    @property
    def topic(self) -> str:
        """Kafka topic of the department's own events."""
        return f"{self.id}.v{self.major}"

    @property
    def repair_topic(self) -> str:
        """Kafka topic of the platform through which repaired events land."""
        return f"commonweal.repair.{self.id}.v{self.major}"

    @property
    def topics(self) -> tuple[str, ...]:
        """Kafka topics that land in the dataset: a source's two, none of a product."""
        return (self.topic, self.repair_topic) if self.kind == "source" else ()

    @property
    def has_pseudonyms(self) -> bool:
        """True when landing replaces identifiers of the dataset by pseudonyms."""
        return any(field.is_pseudonymised for field in self.fields)

    @property
    def tables(self) -> tuple[TableName, ...]:
        """The released tables: a source has current and history, a product only current."""
        return ("current", "history") if self.kind == "source" else ("current",)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Columns of the business key in the lake."""
        return tuple(self.field(name).column for name in self.key)

    def field(self, name: str) -> Field:
        """The field with that name.

        Raises:
            KeyError: There is none.
        """
        return {field.name: field for field in self.fields}[name]


class Department(Frozen):
    """One entry of the department register."""

    id: str
    title: Text
    role: Literal["department", "coordinator", "organisation"] = "department"
