"""Who acts: the caller signs in to PostgreSQL with a role of their own, and that name goes into the evidence."""

from dataclasses import dataclass

from sqlalchemy import text

from commonweal.contract.model import Contract
from commonweal.database import database_errors, engine
from commonweal.errors import AccessDeniedError, ConfigError
from commonweal.settings import Settings


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


def may_decide(person: Person, contract: Contract) -> Person:
    """The person, if they may decide about the dataset: an engineer, or its own department.

    Raises:
        AccessDeniedError: They may not.
    """
    if person.role == "engineer" or person.department == contract.department:
        return person
    raise AccessDeniedError(f"{contract.id}: {person.role} may not decide about it; its department or an engineer may")
