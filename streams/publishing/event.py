"""One event ready to be sent, and what all events of one export have in common."""

from dataclasses import dataclass, field
from typing import NamedTuple

from commonweal.contract.model import Contract

OVERHEAD_BYTES = 4096
"""Room for headers and framing beside value and key in a message of the largest size."""
# Without digits, no derived id can by chance look like a resident's number, which landing refuses as an event's id.
LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


class Event(NamedTuple):
    """One event ready to be sent."""

    key: str
    event_id: str
    event_type: str
    replaces: str | None
    value: str


@dataclass(frozen=True)
class Origin:
    """What all events of one export have in common.

    Attributes:
        source: ``/department`` or ``/department/system``.
        event_type: The type of each event that names none itself.
        exported_at: When the export was made, RFC 3339 in UTC.
        id_column: Column of the department's own event ids; without one, ids are derived.
        secret: The department's publishing key, from which ids are derived.
    """

    source: str
    event_type: str
    exported_at: str
    id_column: str | None
    secret: bytes = field(repr=False)

    def headers(self, event: Event, contract: Contract) -> dict[str, str]:
        """The CloudEvents headers of one event."""
        found = {
            "ce_specversion": "1.0",
            "ce_id": event.event_id,
            "ce_source": self.source,
            "ce_type": f"{contract.id}.{event.event_type}",
            "ce_time": self.exported_at,
            "ce_dataschema": f"urn:commonweal:{contract.id}:{contract.version}",
            "content-type": "application/json",
        }
        return found if event.replaces is None else found | {"ce_replaces": event.replaces}
