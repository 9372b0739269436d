"""Who acts: the caller signs in to PostgreSQL with a role of their own; that name goes into the evidence, as does a refusal."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Engine, text

from commonweal import evidence
from commonweal.contract.model import Contract
from commonweal.database import database_errors, engine
from commonweal.errors import AccessDeniedError, ConfigError
from commonweal.settings import Settings

if TYPE_CHECKING:
    from commonweal.ports import Ports

PROGRAM = "pipeline"
"""In whose name a refusal is recorded when nobody is signed in."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
Decision = Literal[
    "rollback", "hold", "lift", "rebuild", "list", "show", "repair", "replay", "dismiss", "accept_loss", "rotate_keys", "backup"
]
"""What people decide. To see a dataset's rejected events is such a decision: they hold what the department wrote."""


@dataclass(frozen=True)
class Person:
    """An authenticated caller.

    Attributes:
        role: Their role: ``engineer``, ``auditor``, or ``dept_<department>``.
        department: The department they belong to, or None for the platform's own people.
    """

    role: str
    department: str | None


def sign_in(settings: Settings, role: str) -> Person:
    """Sign in with the secret ``postgres-<role>``; the database checks it.

    Raises:
        AccessDeniedError: The secret is missing or wrong.
        TransientError: PostgreSQL is unreachable.
    """
    try:
        with database_errors(f"signing in as {role}"), engine(settings, role).begin() as connection:
            name = str(connection.execute(text("select session_user")).scalar_one())
    except ConfigError:
        raise AccessDeniedError(
            f"nobody is signed in as {role}: its secret postgres-{role} is missing or wrong; ask an engineer for yours"
        ) from None
    return Person(name, name.removeprefix("dept_") if name.startswith("dept_") else None)


def decider(contract: Contract, ports: "Ports", role: str, decision: Decision) -> Person:
    """The person who signs in with the role, if they may decide; a refusal is in the evidence before it is said.

    Raises:
        AccessDeniedError: Nobody is signed in, or they may not.
        TransientError: PostgreSQL is unreachable.
    """
    person = _signed_in(contract.id, ports, role, decision)
    may_decide(contract, ports, person, decision)
    return person


def decider_for_all(ports: "Ports", role: str, decision: Decision) -> Person:
    """The person who signs in with the role, if they may decide what concerns every department.

    Raises:
        AccessDeniedError: Nobody is signed in, or they may not; that is in the evidence.
        TransientError: PostgreSQL is unreachable.
    """
    person = _signed_in(None, ports, role, decision)
    may_decide_for_all(ports.engine, person, decision)
    return person


def may_decide(contract: Contract, ports: "Ports", person: Person, decision: Decision) -> None:
    """Let pass who may decide about the dataset or see its rejected events: an engineer, or its own department.

    Raises:
        AccessDeniedError: They may not; that is in the evidence.
    """
    if decides(contract, person):
        return
    _record_refusal(contract.id, ports.engine, decision, person.role, signed_in=True)
    raise AccessDeniedError(
        f"{contract.id}: {person.role} may not decide about it or see its rejected events; its department or an engineer may"
    )


def may_decide_for_all(source: Engine, person: Person, decision: Decision) -> None:
    """Let pass who may decide what concerns every department: an engineer.

    Raises:
        AccessDeniedError: They may not; that is in the evidence.
    """
    if person.role != "engineer":
        _record_refusal(None, source, decision, person.role, signed_in=True)
        raise AccessDeniedError(f"{person.role} may not decide what concerns all departments; an engineer may")


def decides(contract: Contract, person: Person) -> bool:
    """Whether the person decides about the dataset; a program or an auditor never does."""
    return person.role == "engineer" or person.department == contract.department


def as_name(typed: str) -> str:
    """What is recorded of a word that somebody typed: the word if it is a name; anything else might be a value of a person."""
    return typed if NAME.fullmatch(typed) else "not a name"


def _signed_in(dataset: str | None, ports: "Ports", role: str, decision: Decision) -> Person:
    try:
        return sign_in(ports.settings, role)
    except AccessDeniedError:
        # Whoever asked has no name yet: the program tells which role was tried.
        _record_refusal(dataset, ports.engine, decision, role, signed_in=False)
        raise


def _record_refusal(dataset: str | None, source: Engine, decision: Decision, role: str, *, signed_in: bool) -> None:
    details = {"decision": decision, "role": as_name(role), "signed_in": signed_in}
    evidence.record(source, evidence.Entry(role if signed_in else PROGRAM, "decision_denied", dataset, details))
