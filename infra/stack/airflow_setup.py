"""Airflow's database and accounts in one process: the command line would take some ten seconds for each account.

Runs with the environment of ``infra.stack.services.airflow``; running it again changes nothing but passwords whose file changed.
"""

from typing import TYPE_CHECKING

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.db import initdb
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from werkzeug.security import check_password_hash

from commonweal.settings import Settings, load_settings
from infra.stack.services.airflow import ACCOUNTS, mark_set_up

if TYPE_CHECKING:
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

STARTER = (
    ("can_read", "DAGs"),
    ("can_edit", "DAGs"),
    ("can_read", "DAG Runs"),
    ("can_create", "DAG Runs"),
    ("can_read", "Task Instances"),
)
"""What ``watch`` may do: look at DAGs and their runs, and start one, for which Airflow wants the right to edit the DAG too."""


@providers_configuration_loaded
def main() -> None:
    """Migrate, then make the role of ``watch``, the accounts that are missing, and passwords what their files say."""
    settings = load_settings()
    initdb()
    with get_application_builder() as builder:
        security = builder.sm
        security.bulk_sync_roles([{"role": "Starter", "perms": list(STARTER)}])
        for account, role in ACCOUNTS.items():
            _ensure(security, settings, account, role)
    mark_set_up(settings.run_dir, settings.secret)


def _ensure(security: "FabAirflowSecurityManagerOverride", settings: Settings, account: str, role: str) -> None:
    password, user = settings.secret(f"airflow-{account}"), security.find_user(account)
    if user is None:
        name, address = account.capitalize(), f"{account}@commonweal.invalid"
        if not security.add_user(account, name, "Commonweal", address, security.find_role(role), password):
            raise SystemExit(f"Airflow's account {account} could not be made; the lines above say why")
    elif not check_password_hash(user.password or "", password) and not security.reset_password(user.id, password):
        raise SystemExit(f"Airflow's account {account} could not get its new password; the lines above say why")


if __name__ == "__main__":
    main()
