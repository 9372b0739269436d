"""How a service becomes a process."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Launch:
    """How a service becomes a process.

    Attributes:
        argv: Program and arguments, without secrets.
        environment: Added to the stack's environment; may hold secrets.
        account: User of the operating system to become, or None to stay.
        passing: Whether that user needs to pass through folders that are closed to it.
        death_signal: What the kernel sends when the supervisor dies, so that no service outlives it.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None
    passing: bool = False
    death_signal: signal.Signals = signal.SIGTERM
