"""Catalog, leases, offsets, candidates, gate results, releases, outbox and evidence.

Revision: 0001
"""

from alembic import op

revision = "0001"
down_revision = None

CATALOG = """
-- The layout of Iceberg's JDBC catalog, schema version V1; Spark and pyiceberg share these tables.
create table iceberg_tables (
    catalog_name varchar(255) not null,
    table_namespace varchar(255) not null,
    table_name varchar(255) not null,
    metadata_location varchar(1000),
    previous_metadata_location varchar(1000),
    iceberg_type varchar(5),
    primary key (catalog_name, table_namespace, table_name)
);
create table iceberg_namespace_properties (
    catalog_name varchar(255) not null,
    namespace varchar(255) not null,
    property_key varchar(255) not null,
    property_value varchar(1000),
    primary key (catalog_name, namespace, property_key)
);
"""

RUNS = """
-- One row per dataset: who may commit now. A greater epoch fences all smaller ones out.
create table lease (
    dataset text primary key,
    epoch bigint not null,
    owner text not null,
    expires_at timestamptz not null
);
-- One row per commit that happened: a lost answer to COMMIT is resolved by reading it.
create table commit_record (
    id text primary key,
    dataset text not null,
    step text not null,
    epoch bigint not null,
    made_at timestamptz not null default clock_timestamp()
);
-- One row per run of a step, also of those that failed; `basis` is what the attempt saw (offsets and digests).
create table attempt (
    id text primary key,
    run_id text not null,
    dataset text not null,
    step text not null,
    basis text not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    outcome text check (outcome in ('done', 'nothing', 'refused', 'failed')),
    error text,
    message text,
    retryable boolean
);
create index attempt_by_dataset on attempt (dataset, started_at desc);
"""

LANDING = """
create table landed_offsets (
    dataset text not null,
    topic text not null,
    topic_id text not null,
    offsets jsonb not null,
    primary key (dataset, topic)
);
-- One row per landed batch; landed + gaps = offsets, by partition.
create table landing_batch (
    id text primary key references commit_record,
    dataset text not null,
    topic text not null,
    start_offsets jsonb not null,
    end_offsets jsonb not null,
    gaps jsonb not null,
    accepted bigint not null check (accepted >= 0),
    rejected bigint not null check (rejected >= 0),
    snapshot_id bigint not null,
    made_at timestamptz not null default clock_timestamp()
);
create index landing_batch_by_dataset on landing_batch (dataset, made_at);
-- Offsets that Kafka lost before they were landed, accepted by a person.
create table accepted_loss (
    dataset text not null,
    topic text not null,
    partition integer not null,
    start_offset bigint not null,
    end_offset bigint not null,
    person text not null,
    reason text not null,
    made_at timestamptz not null default clock_timestamp(),
    primary key (dataset, topic, partition, start_offset)
);
create table dismissal (
    dataset text not null,
    topic text not null,
    partition integer not null,
    record_offset bigint not null,
    person text not null,
    reason text not null,
    made_at timestamptz not null default clock_timestamp(),
    primary key (dataset, topic, partition, record_offset)
);
"""

RELEASES = """
-- The newest candidate of each dataset: what the gate audits next.
create table candidate (
    dataset text primary key,
    number bigint not null,
    commit_id text not null references commit_record,
    offsets jsonb not null,
    landing_snapshot bigint,
    snapshots jsonb not null,
    rows jsonb not null,
    counts jsonb not null,
    inputs jsonb not null,
    contract_digest text not null,
    code_version text not null,
    made_at timestamptz not null default clock_timestamp()
);
create table gate_result (
    id text primary key references commit_record,
    dataset text not null,
    candidate_number bigint not null,
    passed boolean not null,
    snapshots jsonb not null,
    suite_digest text not null,
    contract_digest text not null,
    code_version text not null,
    dismissals bigint not null,
    report_key text not null,
    report jsonb not null,
    made_at timestamptz not null default clock_timestamp()
);
create index gate_result_by_dataset on gate_result (dataset, made_at desc);
create table release (
    dataset text not null,
    number bigint not null,
    commit_id text not null references commit_record,
    gate_id text not null references gate_result,
    snapshots jsonb not null,
    rows jsonb not null,
    counts jsonb not null,
    offsets jsonb not null,
    inputs jsonb not null,
    contract_version text not null,
    contract_digest text not null,
    suite_digest text not null,
    code_version text not null,
    quality_digest text not null,
    made_at timestamptz not null default clock_timestamp(),
    primary key (dataset, number)
);
-- What people read: one release per dataset; a rollback points to an older one.
create table current_release (
    dataset text primary key,
    number bigint not null,
    foreign key (dataset, number) references release
);
create table hold (
    dataset text primary key,
    person text not null,
    reason text not null,
    made_at timestamptz not null default clock_timestamp()
);
create table outbox (
    seq bigint generated always as identity primary key,
    dataset text not null,
    dataset_seq bigint not null,
    kind text not null check (kind in ('released', 'refused', 'rolled_back')),
    payload jsonb not null,
    created_at timestamptz not null default clock_timestamp(),
    sent_at timestamptz,
    unique (dataset, dataset_seq)
);
create index outbox_unsent on outbox (seq) where sent_at is null;
"""

EVIDENCE = """
-- Append-only and chained: hash = SHA-256(prev_hash || body); `body` is canonical JSON (RFC 8785) and the one truth.
create table evidence (
    seq bigint primary key,
    body text not null,
    prev_hash bytea not null unique,
    hash bytea not null unique,
    actor text not null generated always as ((body::jsonb) ->> 'actor') stored,
    action text not null generated always as ((body::jsonb) ->> 'action') stored,
    dataset text generated always as ((body::jsonb) ->> 'dataset') stored
);
create index evidence_by_dataset on evidence (dataset, seq);
"""


def upgrade() -> None:
    """Create the tables."""
    for statements in (CATALOG, RUNS, LANDING, RELEASES, EVIDENCE):
        op.execute(statements)
