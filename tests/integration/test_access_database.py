"""What PostgreSQL itself allows and denies each role, after ``apply``."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from commonweal.contract.loader import load_departments
from commonweal.render.access import POSTGRES_PROGRAMS, postgres_roles
from commonweal.settings import Settings

OWNER = "commonweal"
RELEASED = {"release": "SELECT", "current_release": "SELECT"}
CATALOG = {"iceberg_tables": "SELECT", "iceberg_namespace_properties": "SELECT"}
WORK = {
    **dict.fromkeys(["lease", "attempt", "landed_offsets", "landing_batch", "accepted_loss", "dismissal"], "SELECT"),
    **dict.fromkeys(["candidate", "gate_result", "release", "current_release", "hold", "rolled_back"], "SELECT"),
    **dict.fromkeys(["pseudonym_epoch", "key_epoch", "expiry"], "SELECT"),
}
APPENDED = ["commit_record", "landing_batch", "accepted_loss", "dismissal", "gate_result", "release", "outbox", "evidence",
            "pseudonym_epoch", "expiry", "answer"]  # fmt: skip
SWAPPED = ["lease", "attempt", "landed_offsets", "candidate", "current_release", "iceberg_tables", "key_epoch"]
AUDITED = [
    "gate_result",
    "accepted_loss",
    "dismissal",
    "hold",
    "rolled_back",
    "pseudonym_epoch",
    "key_epoch",
    "expiry",
    "evidence",
]
HELD = "select p from unnest(%s::text[]) p where has_table_privilege(%s, %s, p)"
PRIVILEGES = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"]
EXPECTED = {
    "spark": CATALOG | {"iceberg_tables": "SELECT UPDATE"},
    "pipeline": dict.fromkeys(APPENDED, "SELECT INSERT")
    | dict.fromkeys(SWAPPED, "SELECT INSERT UPDATE")
    | {
        "iceberg_namespace_properties": "SELECT INSERT",
        "hold": "SELECT INSERT UPDATE DELETE",
        "rolled_back": "SELECT INSERT DELETE",
    },
    "watch": WORK | {"commit_record": "SELECT"},
    "announce": {"outbox": "SELECT"},
    "query": RELEASED | CATALOG | {"evidence": "SELECT INSERT", "rolled_back": "SELECT"},
    "engineer": WORK | CATALOG | {"commit_record": "SELECT", "outbox": "SELECT"},
    "auditor": RELEASED | dict.fromkeys(AUDITED, "SELECT"),
}
"""Privileges on whole tables, said here a second time, apart from the renderer; a department's people read releases."""


def connect(settings: Settings, role: str, **more: str) -> psycopg.Connection:
    place = {"host": settings.database_host, "port": settings.database_port, "dbname": settings.database_name}
    login = {"user": role, "password": settings.secret(f"postgres-{role}")}
    return psycopg.connect(**place, **login | more, autocommit=True)


def roles(settings: Settings) -> tuple[str, ...]:
    return postgres_roles(load_departments(settings.schemas_dir).values())


@pytest.fixture(scope="module")
def owner(stack) -> Iterator[psycopg.Connection]:
    with connect(stack.settings, OWNER) as connection:
        yield connection


def tables(owner: psycopg.Connection) -> list[str]:
    found = [
        name
        for (name,) in owner.execute("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'")
    ]
    assert {"evidence", "lease", "outbox", "iceberg_tables", "alembic_version"} < set(found)
    return found


def test_every_role_has_what_is_meant_on_every_table_and_no_more(stack, owner):
    for role in roles(stack.settings):
        wanted = RELEASED if role.startswith("dept_") else EXPECTED[role]
        for table in tables(owner):
            rows = owner.execute(HELD, (PRIVILEGES, role, table))
            assert {privilege for (privilege,) in rows} == set(wanted.get(table, "").split()), f"{role} on {table}"


CHANGES = (
    "update evidence set body = body where false",
    "delete from evidence where false",
    "truncate evidence",
    "drop table evidence",
    "alter table evidence disable trigger all",
    "create table evidence_copy (seq bigint)",
    "create temporary table evidence (seq bigint)",
)


@pytest.mark.parametrize("role", [*POSTGRES_PROGRAMS, "engineer", "auditor"])
@pytest.mark.parametrize("change", CHANGES)
def test_nobody_changes_evidence_or_puts_a_table_in_its_place(stack, role, change):
    with connect(stack.settings, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(change)


@pytest.mark.parametrize("statement", ["update outbox set payload = payload where false", "delete from outbox where false"])
def test_announce_marks_what_it_sent_and_changes_nothing_else(stack, statement):
    with connect(stack.settings, "announce") as connection:
        connection.execute("select seq from outbox where sent_at is null limit 1 for update")
        connection.execute("update outbox set sent_at = clock_timestamp() where false")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


@pytest.mark.parametrize("statement", ["select body from evidence", "select actor from evidence", "select payload from outbox"])
def test_watch_sees_where_the_chain_ends_and_what_waits_and_nothing_of_it(stack, statement):
    with connect(stack.settings, "watch") as connection:
        connection.execute("select seq, hash from evidence order by seq desc limit 1")
        connection.execute("select count(*), min(created_at) from outbox where sent_at is null")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_a_lease_is_locked_by_the_pipeline_alone(stack):
    locking = "select epoch from lease where dataset = 'none' for update"
    with connect(stack.settings, "pipeline") as connection:
        connection.execute(locking)
    for role in ("watch", "engineer"):
        with connect(stack.settings, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(locking)


def test_no_role_is_mighty_or_becomes_another(stack, owner):
    query = """
        select rolname from pg_roles where rolname = any(%s) and (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls
        or rolreplication or exists (select 1 from pg_auth_members where member = pg_roles.oid))
    """
    assert owner.execute(query, (list(roles(stack.settings)),)).fetchall() == []
    with connect(stack.settings, "query") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(sql.SQL("set role {}").format(sql.Identifier("pipeline")))


def test_passwords_are_kept_as_scram_and_a_wrong_one_is_refused(stack, owner):
    rows = owner.execute("select rolname, rolpassword from pg_authid where rolname = any(%s)", (list(roles(stack.settings)),))
    verifiers = dict(rows.fetchall())
    assert len(verifiers) == len(roles(stack.settings))
    assert all(verifier.startswith("SCRAM-SHA-256$") for verifier in verifiers.values())
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(stack.settings, "watch", password="not the one")


def test_airflow_has_no_way_into_the_platforms_database(stack, owner):
    if owner.execute("select 1 from pg_roles where rolname = 'airflow'").fetchone():
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connect(stack.settings, "airflow")
