"""Bring a running system in line with the contracts: never destroys data, and does nothing when nothing differs."""

from collections.abc import Collection

from commonweal.apply.changes import Action, Change
from commonweal.contract.model import Contract, Department
from commonweal.settings import Settings

SYSTEMS = ("postgres", "minio", "kafka", "tables")
"""In the order in which they are applied: tables need the catalog and the buckets."""

__all__ = ["SYSTEMS", "Action", "Change", "apply"]


def apply(settings: Settings, *, plan: bool = False, only: Collection[str] | None = None) -> list[Change]:
    """Compare the systems with the contracts and make them equal.

    Args:
        settings: Addresses and secrets.
        plan: True to change nothing and only say what differs.
        only: Some of ``SYSTEMS``; by default all.

    Returns:
        What was, or with ``plan`` would be, changed, and what differs but is left alone (``extra``).

    Raises:
        ContractError: A contract is wrong; nothing was changed.
        ConfigError: An address or a secret is wrong.
        AccessDeniedError: An administrator's right is missing.
        TransientError: A system is unreachable; running again goes on where it ended.
    """
    from commonweal.contract.loader import load_contracts, load_departments

    contracts = tuple(load_contracts(settings.schemas_dir).values())
    departments = tuple(load_departments(settings.schemas_dir).values())
    chosen = [system for system in SYSTEMS if only is None or system in only]
    return [change for system in chosen for change in _apply_one(system, settings, contracts, departments, plan=plan)]


def _apply_one(
    system: str, settings: Settings, contracts: tuple[Contract, ...], departments: tuple[Department, ...], *, plan: bool
) -> list[Change]:
    # Each brings a client of its own, some of them slow to import.
    if system == "postgres":
        from commonweal.apply.postgres import apply_postgres

        return apply_postgres(settings, departments, plan=plan)
    if system == "minio":
        from commonweal.apply.minio import apply_minio

        return apply_minio(settings, plan=plan)
    if system == "kafka":
        from commonweal.apply.kafka import apply_kafka

        return apply_kafka(settings, contracts, departments, plan=plan)
    from commonweal.apply.lake import apply_tables

    return apply_tables(settings, contracts, plan=plan)
