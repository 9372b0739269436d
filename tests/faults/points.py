"""The named points at which a step is killed: before and after each thing that it changes outside of itself."""

from typing import NamedTuple

COMMITTED = "commonweal.lake.commit:_apply:return > sqlalchemy.engine.default:DefaultDialect.do_commit:return"
JOINED = "commonweal.compaction:compact_branch:return"
ACKNOWLEDGED = "kafka.producer.future:FutureRecordMetadata.get:return"


class Point(NamedTuple):
    """One point.

    Attributes:
        step: The step that reaches it.
        name: What has just happened, or is just about to.
        chain: How the point is recognised, see ``crash.chain``.
        committed: True when the step's change had been committed by then.
        few_files: How many files a table may have before the step joins them; None for as many as in production.
    """

    step: str
    name: str
    chain: str
    committed: bool = False
    few_files: int | None = None

    @property
    def id(self) -> str:
        return f"{self.step}: {self.name}"


POINTS = (
    Point("land", "before its branch", "commonweal.lake.catalog:create_branch:call"),
    Point("land", "branch created", "commonweal.lake.catalog:create_branch:return"),
    Point("land", "rows written by Spark", "commonweal.steps.land:_counted:call"),
    Point("land", "metadata staged", "commonweal.lake.commit:_stage:return"),
    Point("land", "in the transaction, pointer swapped", "commonweal.lake.commit:_swap:return"),
    Point("land", "in the transaction, before COMMIT", "commonweal.lake.commit:_apply:return"),
    Point("land", "right after COMMIT", COMMITTED, True),
    Point("land", "small files joined, before their commit", "commonweal.compaction:commit_compacted:call", True, few_files=1),
    Point("land", "small files joined, after their commit", "commonweal.compaction:commit_compacted:return", True, few_files=1),
    Point(
        "clean",
        "one branch of two created",
        "commonweal.lake.catalog:create_branch:return > commonweal.lake.catalog:create_branch:call",
    ),
    Point("clean", "one table of two written", "commonweal.lake.spark:replace_rows:return"),
    Point("clean", "both tables written", "commonweal.steps.clean:next_candidate:call"),
    Point("clean", "metadata of one table staged", "commonweal.lake.commit:_stage_table:return"),
    Point("clean", "in the transaction, one pointer of two swapped", "commonweal.lake.commit:_swap:return"),
    Point("clean", "in the transaction, before COMMIT", "commonweal.lake.commit:_apply:return"),
    Point("clean", "right after COMMIT", COMMITTED, True),
    Point("clean", "small files of one table of two joined", JOINED, few_files=1),
    Point("clean", "small files joined, right after COMMIT", f"{JOINED} > {COMMITTED}", True, few_files=1),
    Point("gate", "audited, report not stored", "commonweal.steps.gate:_store:call"),
    Point("gate", "one file of the report stored", "commonweal.store:put_object:return"),
    Point("gate", "report stored", "commonweal.steps.gate:_store:return"),
    Point("gate", "in the transaction, before COMMIT", "commonweal.lake.commit:_apply:return"),
    Point("gate", "right after COMMIT", COMMITTED, True),
    Point("release", "metadata staged", "commonweal.lake.commit:_stage:return"),
    Point("release", "in the transaction, manifest written", "commonweal.lake.releases:write_release:return"),
    Point("release", "in the transaction, outbox written", "commonweal.outbox:put:return"),
    Point("release", "right after COMMIT", COMMITTED, True),
    Point("release", "end of the attempt not recorded", "commonweal.attempts:_end:call", True),
    Point("join", "branch created", "commonweal.lake.catalog:create_branch:return"),
    Point("join", "table written", "commonweal.steps.join:_candidate:call"),
    Point("join", "in the transaction, before COMMIT", "commonweal.lake.commit:_apply:return"),
    Point("join", "right after COMMIT", COMMITTED, True),
    Point("announce", "before it is sent", "streams.announce:message:call"),
    Point("announce", "acknowledged, not marked as sent", ACKNOWLEDGED),
    Point("announce", "marked, before COMMIT", f"{ACKNOWLEDGED} > sqlalchemy.engine.base:Connection.execute:return"),
    Point("announce", "right after COMMIT", f"{ACKNOWLEDGED} > sqlalchemy.engine.default:DefaultDialect.do_commit:return", True),
)

OUTSIDE = {
    "land": "commonweal.steps.land:_counted:call",
    "clean": "commonweal.steps.clean:next_candidate:call",
    "gate": "commonweal.steps.gate:_store:return",
    "release": "commonweal.lake.commit:_stage:return",
}
"""By step, where a run stands still while it holds no lock of the database."""
IN_TRANSACTION = "commonweal.lake.commit:_apply:return"
"""Where it holds the lease's row, and the lock of the evidence's chain."""
