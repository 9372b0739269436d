"""Epochs of the pseudonym key, and what has expired from landing.

Revision: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"

EPOCHS = """
-- Every epoch that the pseudonym key ever had; the keys themselves are in files.
create table pseudonym_epoch (
    epoch integer primary key check (epoch > 0),
    person text not null,
    reason text not null,
    made_at timestamptz not null default clock_timestamp()
);
insert into pseudonym_epoch (epoch, person, reason) values (1, 'commonweal', 'the first key');
-- Under which epoch all pseudonyms of a dataset's landing table stand.
create table key_epoch (
    dataset text primary key,
    epoch integer not null references pseudonym_epoch
);
alter table candidate add column key_epoch integer;
alter table release add column key_epoch integer;
"""

EXPIRY = """
-- One row per expiry of landed events: how many rows went, so that offsets = landed + gaps + expired.
create table expiry (
    id text primary key references commit_record,
    dataset text not null,
    cutoff timestamptz not null,
    accepted bigint not null check (accepted >= 0),
    rejected bigint not null check (rejected >= 0),
    made_at timestamptz not null default clock_timestamp()
);
create index expiry_by_dataset on expiry (dataset, made_at);
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(EPOCHS)
    op.execute(EXPIRY)
