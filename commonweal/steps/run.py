"""Running steps: the same functions for Airflow and for a person at the command line."""

import importlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from commonweal import errors
from commonweal.attempts import new_attempt, recorded
from commonweal.contract.model import Contract
from commonweal.database import this_day, translated
from commonweal.errors import CommonwealError, ConfigError, ConflictError, TransientError
from commonweal.lake import lease as leases
from commonweal.ports import Ports, open_ports
from commonweal.render.dag import PRODUCT_STEPS, SOURCE_STEPS
from commonweal.settings import Settings
from commonweal.work import basis_of, read_state

OWN_ERROR = re.compile(r"commonweal\.errors\.(?P<name>\w+): (?P<message>[^\n]+)")
ERRORS = {name: found for name, found in vars(errors).items() if isinstance(found, type) and issubclass(found, CommonwealError)}
StepFunction = Callable[..., dict[str, int]]


def run_step(step: str, dataset: str, settings: Settings, *, run_id: str = "by-hand") -> dict[str, int | str]:
    """Run one step of a dataset, under its lease, and record the attempt.

    Returns:
        ``outcome`` (``done`` or ``nothing``), ``seconds``, and the step's counts.

    Raises:
        CommonwealError: As the step; see the step's module.
    """
    ports = open_ports(settings)
    try:
        return run_with(ports, step, dataset, run_id=run_id)
    finally:
        ports.close()


def run_with(ports: Ports, step: str, dataset: str, *, run_id: str = "by-hand", rebuild: bool = False) -> dict[str, int | str]:
    """Like ``run_step``, with connections that are open already; ``rebuild`` is for clean and join."""
    contract = ports.contract(dataset)
    function = _function(contract, step)
    attempt = new_attempt(run_id, dataset, step)
    began = time.monotonic()
    with (
        leases.held(ports.engine, dataset, f"{run_id}/{step}", seconds=ports.settings.lease_seconds) as lease,
        recorded(ports.engine, attempt, _basis(contract, ports, step)),
        outside_errors(f"{step} of {dataset}"),
    ):
        attempt.result = function(contract, ports, lease, rebuild=True) if rebuild else function(contract, ports, lease)
    return {"outcome": attempt.outcome, "seconds": round(time.monotonic() - began), **attempt.result}


def steps_of(contract: Contract) -> tuple[str, ...]:
    """The steps of the dataset, in their order."""
    return SOURCE_STEPS if contract.kind == "source" else PRODUCT_STEPS


def _function(contract: Contract, step: str) -> StepFunction:
    """The step's function; heavy imports happen now, and only for this step.

    Raises:
        ConfigError: The dataset has no such step.
    """
    if step not in steps_of(contract):
        raise ConfigError(f"{contract.id} has no step {step}; its steps are: {', '.join(steps_of(contract))}")
    function: StepFunction = getattr(importlib.import_module(f"commonweal.steps.{step}"), step)
    return function


def _basis(contract: Contract, ports: Ports, step: str) -> str:
    from commonweal.steps.join import code_digest
    from commonweal.steps.land import end_offsets

    ends = end_offsets(contract, ports.settings) if step == "land" else {}
    return basis_of(contract, read_state(ports.engine, contract), ends, code_digest(contract), today=this_day(ports.engine))


@contextmanager
def outside_errors(what: str) -> Iterator[None]:
    """Errors of Spark, catalog and store as the platform's; their texts may hold values of rows, so only their class is kept."""
    try:
        yield
    except CommonwealError:
        raise
    except Exception as error:  # noqa: BLE001 - the top of every step: nothing of a row may pass
        raise _translated(error, what) from None


def _translated(error: Exception, what: str) -> CommonwealError:
    from pyiceberg.exceptions import CommitFailedException
    from pyspark.errors import PySparkException, PythonException
    from sqlalchemy.exc import DBAPIError

    own = OWN_ERROR.search(str(error)) if isinstance(error, PythonException) else None
    if own and own["name"] in ERRORS:
        # Raised in a Python worker: the message is ours, and ours never hold values.
        return ERRORS[own["name"]](own["message"])
    if isinstance(error, PySparkException):
        return TransientError(f"{what}: Spark ended with {_error_class(error)}; see: commonweal stack logs spark")
    if isinstance(error, CommitFailedException):
        return ConflictError(f"{what}: other commits to the table kept coming between; nothing changed, run the step again")
    if isinstance(error, DBAPIError):
        return translated(error, what)
    if isinstance(error, OSError):
        return TransientError(
            f"{what}: the object store or the network failed ({type(error).__name__}); see: commonweal stack status"
        )
    return TransientError(f"{what}: ended with {type(error).__name__}, which is a fault of the platform; tell its engineers")


def _error_class(error: Exception) -> str:
    condition = getattr(error, "getCondition", lambda: None)()
    return condition or type(error).__name__
