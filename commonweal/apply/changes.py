"""What apply does, as values: a change to show, and the operation that makes it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Action = Literal["create", "change", "grant", "revoke", "extra"]


@dataclass(frozen=True)
class Change:
    """One difference between a system and the contracts.

    Attributes:
        system: ``postgres``, ``minio``, ``kafka`` or ``tables``.
        action: What apply does about it; ``extra`` is only reported, since undoing it could destroy data.
        kind: What it is: ``topic``, ``acl``, ``role`` …
        name: Which one.
        detail: What differs; never a secret.
    """

    system: str
    action: Action
    kind: str
    name: str
    detail: str = ""


@dataclass(frozen=True)
class Operation:
    """A change and how to make it; a change without ``run`` is only reported."""

    change: Change
    run: Callable[[], object] | None = None


def carry_out(operations: Iterable[Operation], *, plan: bool) -> list[Change]:
    """Make the changes one after the other, or with ``plan`` only list them."""
    changes = []
    for operation in operations:
        if operation.run and not plan:
            operation.run()
        changes.append(operation.change)
    return changes
