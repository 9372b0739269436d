"""Every target that a contract is rendered to, by name, as plain values or text: for ``contract show`` and the contract tests."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from commonweal.contract.model import Contract

Contracts = Mapping[str, Contract]


def render(target: str, contract: Contract, contracts: Contracts) -> Any:  # noqa: ANN401
    """The target's rendering of a contract: values that JSON can hold, or text.

    Raises:
        KeyError: There is no such target.
    """
    return TARGETS[target](contract, contracts)


def _event_schema(contract: Contract, contracts: Contracts) -> dict[str, Any]:  # noqa: ARG001
    from commonweal.render.event_schema import event_schema

    return event_schema(contract)


def _spark(contract: Contract, contracts: Contracts) -> dict[str, str]:  # noqa: ARG001
    from commonweal.render.lake_schema import current_schema, ddl, history_schema, landing_schema

    if contract.kind == "product":
        return {"current": ddl(current_schema(contract))}
    tables = {"landing": landing_schema, "current": current_schema, "history": history_schema}
    return {name: ddl(schema(contract)) for name, schema in tables.items()}


def _topic(contract: Contract, contracts: Contracts) -> list[dict[str, Any]]:  # noqa: ARG001
    from commonweal.render.topic import repair_topic, topic

    return [asdict(topic(contract)), asdict(repair_topic(contract))] if contract.kind == "source" else []


def _suite(contract: Contract, contracts: Contracts) -> Any:  # noqa: ANN401, ARG001
    from commonweal.render.suite import suite

    return plain(suite(contract))


def _access(contract: Contract, contracts: Contracts) -> dict[str, Any]:  # noqa: ARG001
    from commonweal.render.access import kafka_acls

    acls = kafka_acls([contract], []) if contract.kind == "source" else ()
    purposes = [purpose.model_dump(mode="json") for purpose in contract.purposes]
    return {"kafka": [asdict(acl) for acl in acls], "sharing": contract.sharing, "open": contract.is_open, "purposes": purposes}


def _dag(contract: Contract, contracts: Contracts) -> Any:  # noqa: ANN401, ARG001
    from commonweal.render.dag import dag_plan

    return plain(dag_plan(contract))


def _page(contract: Contract, contracts: Contracts) -> str:
    from commonweal.render.page import page

    return page(contract, contracts)


def plain(value: Any) -> Any:  # noqa: ANN401
    """The same value in dicts, lists, texts and numbers."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


TARGETS: dict[str, Callable[[Contract, Contracts], Any]] = {
    "event-schema": _event_schema,
    "spark": _spark,
    "topic": _topic,
    "suite": _suite,
    "access": _access,
    "dag": _dag,
    "page": _page,
}
