"""The outbox: what subscribers are to be told, written with what happened, sent later by ``streams.announce``."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, text

from commonweal.evidence import Link

PUT = text("""
insert into outbox (dataset, dataset_seq, kind, payload)
select :dataset, coalesce(max(dataset_seq), 0) + 1, :kind, cast(:payload as jsonb) from outbox where dataset = :dataset
""")


@dataclass(frozen=True)
class Announcement:
    """One message: ``released``, ``refused`` or ``rolled_back``, with names, counts and digests only."""

    kind: Literal["released", "refused", "rolled_back"]
    payload: dict[str, Any]


def put(connection: Connection, dataset: str, announcement: Announcement, *, head: Link) -> None:
    """Queue a message; it carries the head of the evidence chain, so that a cut tail of the log is seen by who reads it.

    The dataset's lease row is locked by the caller, so its sequence has no gaps and no doubles.
    """
    payload = {**announcement.payload, "evidence": {"seq": head.seq, "hash": head.hash.hex()}}
    connection.execute(PUT, {"dataset": dataset, "kind": announcement.kind, "payload": json.dumps(payload, sort_keys=True)})
