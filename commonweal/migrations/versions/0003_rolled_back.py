"""What people decided, as far as decisions follow from it: releases that were rolled back, and events that answer rejections.

Revision: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"

ROLLED_BACK = """
-- Releases that a person went back from: never released again as they were, never an input. A return to one takes its row away.
create table rolled_back (
    dataset text not null,
    number bigint not null,
    person text not null,
    reason text not null,
    made_at timestamptz not null default clock_timestamp(),
    primary key (dataset, number),
    foreign key (dataset, number) references release
);
-- The candidate whose content a release carries: maintenance makes others of the same events.
alter table release add column content bigint;
update release r set content = g.candidate_number from gate_result g where g.id = r.gate_id;
insert into rolled_back (dataset, number, person, reason)
select r.dataset, r.number, 'commonweal', 'newer than the current release when this table was made'
from release r join current_release c using (dataset) where r.number > c.number;
"""

ANSWER = """
-- The (source, id) of the event that was sent in the place of a rejected record whose own envelope had none that could be read.
create table answer (
    dataset text not null,
    topic text not null,
    partition integer not null,
    record_offset bigint not null,
    source text not null,
    event_id text not null,
    person text not null,
    made_at timestamptz not null default clock_timestamp(),
    primary key (dataset, topic, partition, record_offset, source, event_id)
);
"""


def upgrade() -> None:
    """Create the tables."""
    for statements in (ROLLED_BACK, ANSWER):
        op.execute(statements)
