"""The evidence log: who published, passed, received and refused what, and why.

Entries are appended in the transaction of the action that they prove: no record, no action. Each carries the hash of the
one before, over canonical JSON (RFC 8785), so that anybody can check a copy offline with SHA-256 alone.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785
from sqlalchemy import Connection, Engine, text

from commonweal.database import database_errors
from commonweal.errors import ConfigError
from commonweal.identity import holds_resident_id

GENESIS = hashlib.sha256(b"commonweal evidence log, version 1").digest()
HEAD = "select seq, encode(hash, 'hex') as hash from evidence order by seq desc limit 1"
"""SQL for the last entry's position and hash, in hex."""
CHAIN_LOCK = 0x636F6D6D6F6E
"""Key of the advisory lock that orders appends; taken last in a transaction, so that it can't take part in a deadlock."""


@dataclass(frozen=True)
class Entry:
    """What is to be recorded.

    Attributes:
        actor: The program or person that acted.
        action: What was done: ``landed``, ``cleaned``, ``passed``, ``refused``, ``released``, ``read``, …
        dataset: The dataset it was done to, or None.
        details: Names, counts, ids and digests; never a value of a row. What a person typed as the ``reason`` is searched.

    Raises:
        ConfigError: The reason is empty, or holds a resident id: the log is kept for ever, and many may read it.
    """

    actor: str
    action: str
    dataset: str | None
    details: dict[str, Any]

    def __post_init__(self) -> None:
        if "reason" in self.details:
            refuse_reason(self.action, self.details["reason"])


def refuse_reason(action: str, reason: str) -> None:
    """Refuse what may not be kept as the reason of what a person does.

    Raises:
        ConfigError: It is empty, or holds a resident id.
    """
    if not reason.strip():
        raise ConfigError(f"{action}: the reason is empty; say why, it goes into the evidence")
    if holds_resident_id(reason):
        raise ConfigError(
            f"{action}: the reason holds a resident id, and the evidence is kept for ever; nothing was done, name the case or "
            f"the record instead of the person"
        )


@dataclass(frozen=True)
class Link:
    """One entry of the log as it is stored: position, canonical JSON, hash of the one before, own hash."""

    seq: int
    body: str
    prev_hash: bytes
    hash: bytes


def append(connection: Connection, entry: Entry) -> Link:
    """Append an entry inside the caller's transaction, as its last statement; its time is that of the database's clock.

    Returns:
        The new head of the chain.
    """
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": CHAIN_LOCK})
    head = connection.execute(text(HEAD)).first()
    seq, prev_hash = (head.seq + 1, bytes.fromhex(head.hash)) if head else (1, GENESIS)
    link = linked(seq, prev_hash, entry, now=connection.execute(text("select clock_timestamp()")).scalar_one())
    connection.execute(
        text("insert into evidence (seq, body, prev_hash, hash) values (:seq, :body, :prev_hash, :hash)"),
        {"seq": link.seq, "body": link.body, "prev_hash": link.prev_hash, "hash": link.hash},
    )
    return link


def record(engine: Engine, entry: Entry) -> None:
    """Append an entry in a transaction of its own: what happens next happens only once it is committed.

    Raises:
        AccessDeniedError: The role may not append.
        TransientError: PostgreSQL is unreachable.
    """
    with database_errors(f"recording {entry.action} of {entry.dataset}"), engine.begin() as connection:
        append(connection, entry)


def linked(seq: int, prev_hash: bytes, entry: Entry, *, now: datetime) -> Link:
    """The entry as a link of the chain; ids and counts beyond 2**53 travel as text, as RFC 8785 asks."""
    content = {
        "seq": seq,
        "at": now.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "dataset": entry.dataset,
        "details": _canonical(entry.details),
    }
    body = rfc8785.dumps(content).decode()
    return Link(seq, body, prev_hash, hashlib.sha256(prev_hash + body.encode()).digest())


def digest(document: dict[str, Any]) -> str:
    """SHA-256 of a document's canonical JSON, in hex."""
    return hashlib.sha256(rfc8785.dumps(_canonical(document))).hexdigest()


def first_break(links: Iterable[Link]) -> int | None:
    """The position of the first link that does not follow from the one before it, or None when the chain holds."""
    prev_hash = GENESIS
    for seq, link in enumerate(links, start=1):
        expected = hashlib.sha256(prev_hash + link.body.encode()).digest()
        if link.seq != seq or link.prev_hash != prev_hash or link.hash != expected:
            return seq
        prev_hash = link.hash
    return None


def _canonical(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return str(value)
    return value
