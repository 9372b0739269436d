"""Every error of the platform, sorted by what the caller does next, each with its own exit code.

A message names the dataset, the field, the rule and the count, says what to do next, and never carries a value of a row. Whether
it is tried again is said by who knows: Airflow of its tasks, a program of its looks, the command line that it isn't.
"""

from typing import ClassVar


class CommonwealError(Exception):
    """The root of the tree; never raised bare.

    Attributes:
        exit_code: The exit code of the command that ends with this error.
        retryable: Whether running the same attempt again, unchanged, may succeed.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False


class ConfigError(CommonwealError):
    """A setting is missing or wrong; fix it."""

    exit_code = 10


class ContractError(CommonwealError):
    """A contract, or data that claims to follow it, is wrong."""

    exit_code = 11


class GateClosedError(CommonwealError):
    """The quality gate refused the release; the message carries the address of the report."""

    exit_code = 12


class AccessDeniedError(CommonwealError):
    """Purpose, grant or permission is missing; a refused read or decision is in the evidence log."""

    exit_code = 13


class DataLossError(CommonwealError):
    """The source no longer holds what has not been landed, or the store what a table consists of: stop, never skip."""

    exit_code = 14


class ConflictError(CommonwealError):
    """Another writer was first; nothing changed; the run is repeated from its start."""

    exit_code = 15
    retryable = True


class FencedError(ConflictError):
    """The lease of this attempt is gone: the attempt must end."""

    exit_code = 16
    retryable = False


class TransientError(CommonwealError):
    """Broker, store, database or cluster is unreachable; retry with backoff."""

    exit_code = 20
    retryable = True
