"""PostgreSQL as the contracts want it: roles, passwords, migrations, grants. No table, column or row is ever removed.

Passwords travel as SCRAM verifiers computed here, so none can reach the server's log. Grants of our roles and of ``PUBLIC`` that
the rules don't give are revoked, since access must equal the contracts.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import LiteralString

import psycopg
from psycopg import sql

from commonweal.apply.changes import Change, Operation, carry_out
from commonweal.apply.secret_files import ensure_secret, has_secret
from commonweal.contract.model import Department
from commonweal.errors import AccessDeniedError, CommonwealError, ConfigError, TransientError
from commonweal.migrations import FOLDER, migrate
from commonweal.render.access import Grant, postgres_grants, postgres_roles
from commonweal.settings import Settings

OWNER = "commonweal"
SCHEMA = "public"

PRIVILEGES = frozenset(
    ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
    + ("USAGE", "CREATE", "CONNECT", "TEMPORARY")
)

ROLES = """
select r.rolname, r.rolcanlogin, r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls,
    coalesce((select array_agg(m.roleid::regrole::text) from pg_auth_members m where m.member = r.oid), '{}')
from pg_roles r
"""

GRANTS = """
with given (acl, owner, kind, name) as (
    select relacl, relowner, case relkind when 'S' then 'sequence' else 'table' end, relname::text
    from pg_class where relnamespace = 'public'::regnamespace and relacl is not null
  union all
    select attacl, relowner, 'column', relname || '.' || attname
    from pg_attribute join pg_class on pg_class.oid = attrelid
    where relnamespace = 'public'::regnamespace and attacl is not null and not attisdropped
  union all
    select coalesce(nspacl, acldefault('n', nspowner)), nspowner, 'schema', nspname::text
    from pg_namespace where nspname = 'public'
  union all
    select coalesce(datacl, acldefault('d', datdba)), datdba, 'database', datname::text
    from pg_database where datname = current_database()
)
select coalesce(r.rolname, 'public'), a.privilege_type, given.kind, given.name
from given cross join lateral aclexplode(given.acl) a left join pg_roles r on r.oid = a.grantee
where a.grantee <> given.owner
"""


def apply_postgres(settings: Settings, departments: Iterable[Department], *, plan: bool) -> list[Change]:
    """Bring roles, tables of the platform and grants in line with the contracts.

    Raises:
        AccessDeniedError: The role ``commonweal`` may not create roles.
        ConfigError: Address or secret is wrong, or the database is missing.
        TransientError: PostgreSQL is unreachable.
    """
    known = tuple(departments)
    roles = postgres_roles(known)
    try:
        with _connect(settings, OWNER) as connection:
            changes = carry_out(_roles(connection, settings, roles), plan=plan)
            changes += carry_out(_migrations(connection, settings), plan=plan)
            wanted = {*_entrances(settings, roles), *postgres_grants(known)}
            return changes + carry_out(_grants(connection, wanted, roles), plan=plan)
    except psycopg.Error as error:
        raise _translated(error) from None


def _connect(settings: Settings, role: str) -> psycopg.Connection:
    return psycopg.connect(
        host=settings.database_host,
        port=settings.database_port,
        dbname=settings.database_name,
        user=role,
        password=settings.secret(f"postgres-{role}"),
        application_name="commonweal-apply",
        connect_timeout=10,
        autocommit=True,
    )


def _translated(error: psycopg.Error) -> CommonwealError:
    # The driver's own text may quote a statement; the code says enough.
    if error.sqlstate == "42501":
        return AccessDeniedError("PostgreSQL denies what apply does: role commonweal needs CREATEROLE and must own its database")
    if error.sqlstate or "authentication failed" in str(error):
        return ConfigError(f"PostgreSQL refused apply (SQLSTATE {error.sqlstate or '28P01'}); check host, database and secret")
    return TransientError("PostgreSQL is unreachable; is it running? see: commonweal stack status")


def _roles(connection: psycopg.Connection, settings: Settings, wanted: tuple[str, ...]) -> Iterator[Operation]:
    present = {name: (can_login, mighty, groups) for name, can_login, mighty, groups in connection.execute(ROLES)}
    for role in wanted:
        store = partial(_store_role, connection, settings, role, new=role not in present)
        if role not in present:
            yield Operation(Change("postgres", "create", "role", role), store)
            continue
        can_login, mighty, groups = present[role]
        if not can_login or not has_secret(settings, f"postgres-{role}") or not _accepts_password(settings, role):
            yield Operation(Change("postgres", "change", "role", role, "password is not the one in its secret file"), store)
        if mighty:
            yield Operation(
                Change("postgres", "revoke", "role", role, "attributes of an administrator"), partial(_weaken, connection, role)
            )
        for group in groups:
            yield Operation(
                Change("postgres", "revoke", "role", role, f"member of {group}"), partial(_part, connection, role, group)
            )
    for role in sorted(name for name, (can_login, *_) in present.items() if name.startswith("dept_") and can_login):
        if role not in wanted:
            yield Operation(
                Change("postgres", "revoke", "role", role, "no contract names it: login off"), partial(_lock, connection, role)
            )


def _store_role(connection: psycopg.Connection, settings: Settings, role: str, *, new: bool) -> None:
    password = ensure_secret(settings, f"postgres-{role}")
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    verb = sql.SQL("create role" if new else "alter role")
    connection.execute(sql.SQL("{} {} login password {}").format(verb, sql.Identifier(role), sql.Literal(verifier)))


def _weaken(connection: psycopg.Connection, role: str) -> None:
    lesser = sql.SQL("alter role {} nosuperuser nocreatedb nocreaterole noreplication nobypassrls")
    connection.execute(lesser.format(sql.Identifier(role)))


def _part(connection: psycopg.Connection, role: str, group: str) -> None:
    connection.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(group), sql.Identifier(role)))


def _lock(connection: psycopg.Connection, role: str) -> None:
    connection.execute(sql.SQL("alter role {} nologin").format(sql.Identifier(role)))


def _accepts_password(settings: Settings, role: str) -> bool:
    try:
        _connect(settings, role).close()
    except psycopg.OperationalError as error:
        # A role that may not enter the database has shown the right password before it hears so.
        return "password authentication failed" not in str(error)
    return True


def _migrations(connection: psycopg.Connection, settings: Settings) -> Iterator[Operation]:
    from alembic.script import ScriptDirectory

    newest = ScriptDirectory(str(FOLDER)).get_current_head()
    row = connection.execute("select to_regclass('public.alembic_version')").fetchone()
    versions = connection.execute("select version_num from public.alembic_version").fetchall() if row and row[0] else []
    present = versions[0][0] if versions else None
    if present != newest:
        yield Operation(
            Change("postgres", "change" if present else "create", "tables", SCHEMA, f"version {present} -> {newest}"),
            partial(migrate, settings),
        )


def _entrances(settings: Settings, roles: Iterable[str]) -> Iterator[Grant]:
    for role in roles:
        yield Grant(role, "CONNECT", "database", settings.database_name)
        yield Grant(role, "USAGE", "schema", SCHEMA)


def _grants(connection: psycopg.Connection, wanted: set[Grant], roles: tuple[str, ...]) -> Iterator[Operation]:
    present = {Grant(role, privilege, kind, name) for role, privilege, kind, name in connection.execute(GRANTS)}
    for grants in _together(wanted - present):
        grant = partial(_execute, connection, "grant {} on {} to {}", grants)
        yield Operation(Change("postgres", "grant", grants[0].kind, _shown(grants)), grant)
    for grants in _together(grant for grant in present - wanted if _is_ours(grant.role, roles)):
        revoke = partial(_execute, connection, "revoke {} on {} from {}", grants)
        yield Operation(Change("postgres", "revoke", grants[0].kind, _shown(grants), "no rule gives it"), revoke)


def _is_ours(role: str, roles: tuple[str, ...]) -> bool:
    return role in (*roles, "public", "airflow") or role.startswith("dept_")


def _together(grants: Iterable[Grant]) -> Iterator[tuple[Grant, ...]]:
    """The grants of one role on one object, in one statement."""
    for _, same in groupby(sorted(grants, key=_target), key=_target):
        yield tuple(sorted(same))


def _target(grant: Grant) -> tuple[str, str, str]:
    return grant.role, grant.kind, grant.name


def _shown(grants: tuple[Grant, ...]) -> str:
    return f"{grants[0].role} may {', '.join(grant.privilege for grant in grants)} {grants[0].name}"


def _execute(connection: psycopg.Connection, statement: LiteralString, grants: tuple[Grant, ...]) -> None:
    role = sql.SQL("public") if grants[0].role == "public" else sql.Identifier(grants[0].role)
    privileges = sql.SQL(", ").join(_privilege(grant) for grant in grants)
    connection.execute(sql.SQL(statement).format(privileges, _object(grants[0]), role))


def _privilege(grant: Grant) -> sql.Composable:
    if grant.privilege not in PRIVILEGES:
        raise ConfigError(f"PostgreSQL holds a privilege that apply doesn't know, on {grant.name}; revoke it by hand")
    word = sql.SQL(grant.privilege)
    return sql.SQL("{} ({})").format(word, sql.Identifier(grant.name.split(".")[1])) if grant.kind == "column" else word


def _object(grant: Grant) -> sql.Composable:
    if grant.kind in ("schema", "database"):
        return sql.SQL(f"{grant.kind} {{}}").format(sql.Identifier(grant.name))
    kind = "sequence" if grant.kind == "sequence" else "table"
    return sql.SQL(f"{kind} {{}}").format(sql.Identifier(SCHEMA, grant.name.split(".")[0]))
