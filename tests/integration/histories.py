"""Random event histories of a dataset, sent and run; and what its tables must hold: the fold of ``commonweal.states`` alone."""

import hashlib
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import NamedTuple

import orjson

from commonweal import bus
from commonweal.contract.model import Contract
from commonweal.lake import lease as leases
from commonweal.lake.candidates import read_candidate
from commonweal.lake.names import released_tables
from commonweal.lake.spark import at
from commonweal.states import Event, Target, settle
from commonweal.steps.clean import clean
from commonweal.steps.land import land

START = date(2024, 1, 1)
KINDS = ("recorded", "recorded", "recorded", "corrected", "withdrawn")


class Sent(NamedTuple):
    """One event as it is sent."""

    event_id: str
    kind: str
    replaces: str | None
    recorded_at: datetime
    document: dict[str, str]

    @property
    def content(self) -> str:
        """What makes two events of one id the same event."""
        return hashlib.sha256(orjson.dumps([self.kind, self.replaces, self.document], option=orjson.OPT_SORT_KEYS)).hexdigest()

    def headers(self, contract: Contract) -> list[tuple[str, bytes]]:
        """CloudEvents in Kafka's binary mode."""
        texts = {
            "ce_specversion": "1.0",
            "ce_id": self.event_id,
            "ce_source": f"/{contract.department}/cases",
            "ce_type": f"{contract.id}.{self.kind}",
            "ce_time": self.recorded_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ce_dataschema": f"urn:commonweal:{contract.id}:{contract.version}",
            "content-type": "application/json",
        }
        if self.replaces:
            texts["ce_replaces"] = self.replaces
        return [(name, text.encode()) for name, text in texts.items()]


def random_history(random: Random, *, keys: int, events: int) -> list[Sent]:
    """Late, repeated, conflicting, corrected and withdrawn events of a few keys, so that they meet often."""
    made: list[Sent] = []
    for number in range(events):
        again = random.random()
        if made and again < 0.10:
            made.append(random.choice(made))
        elif made and again < 0.15:
            made.append(_conflicting(random, made))
        else:
            made.append(_new(random, number, keys, made))
    return made


def _new(random: Random, number: int, keys: int, made: list[Sent]) -> Sent:
    key, kind, replaces = f"HX{random.randrange(keys):05d}", random.choice(KINDS), None
    if kind != "recorded":
        own = [event for event in made if event.document["case_no"] == key]
        target = random.choice(own or made) if made else None
        replaces = target.event_id if target and random.random() > 0.1 else f"never-{number}"
    recorded_at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=random.randrange(40))
    return Sent(f"event-{number:05d}-{'abcdefghij'[number % 10]}", kind, replaces, recorded_at, _document(random, key))


def _conflicting(random: Random, made: list[Sent]) -> Sent:
    """An id that exists already, with another content, sometimes under another key."""
    old = random.choice(made)
    key = old.document["case_no"] if random.random() < 0.7 else random.choice(made).document["case_no"]
    return old._replace(document=_document(random, key))


def _document(random: Random, key: str) -> dict[str, str]:
    opened = START + timedelta(days=random.randrange(6))
    closed = opened + timedelta(days=random.randrange(4)) if random.random() < 0.5 else None
    document = {
        "case_no": key,
        "office_code": "NYCC01",
        "opened_on": opened.isoformat(),
        "category": random.choice(("Water", "Noise")),
    }
    return document | ({"closed_on": closed.isoformat()} if closed else {})


def expected(events: list[Sent]) -> tuple[set[tuple], set[tuple]]:
    """``current`` (key, state, category, valid from) and ``history`` (key, event, category, from, to), as sets."""
    by_id, by_key = defaultdict(set), defaultdict(list)
    keys_of = defaultdict(set)
    for offset, event in enumerate(events):
        by_id[event.event_id].add(event.content)
        keys_of[event.event_id].add(event.document["case_no"])
        by_key[event.document["case_no"]].append((offset, event))
    current, history = set(), set()
    for key, own in by_key.items():
        settled = settle([_folded(offset, event, by_id, keys_of) for offset, event in own])
        live = own[settled.carrier][1] if settled.state == "live" else None
        current.add((key, settled.state, live.document["category"] if live else None, _occurred(live) if live else None))
        for (_, event), outcome in zip(own, settled.outcomes, strict=True):
            if outcome.valid_from is not None:
                history.add((key, event.event_id, event.document["category"], outcome.valid_from, outcome.valid_to))
    return current, history


def _folded(offset: int, event: Sent, by_id: dict, keys_of: dict) -> Event:
    target = Target.NONE
    if event.replaces:
        keys = keys_of.get(event.replaces)
        target = Target.ABSENT if not keys else Target.SAME_KEY if keys == {event.document["case_no"]} else Target.OTHER_KEY
    recorded_at = int(event.recorded_at.timestamp() * 1_000_000)
    return Event(
        place=("t", 0, offset),
        source="/s",
        event_id=event.event_id,
        event_type=event.kind,
        replaces=event.replaces,
        digest=event.content,
        occurred_at=_occurred(event),
        sequence=None,
        recorded_at=recorded_at,
        id_conflict=len(by_id[event.event_id]) > 1,
        target=target,
    )


def _occurred(event: Sent) -> int:
    day = date.fromisoformat(event.document.get("closed_on") or event.document["opened_on"])
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1_000_000)


def send(ports, contract, events: list[Sent]) -> None:
    """Send events as the hotline."""
    with bus.producer(ports.settings, "dept-hotline") as producer:
        for event in events:
            key = event.document["case_no"].encode()
            producer.send(contract.topic, key=key, value=orjson.dumps(event.document), headers=event.headers(contract))
        producer.flush()


def run(ports, contract) -> dict[str, int]:
    """Land and clean; returns both steps' counts."""
    with leases.held(ports.engine, contract.id, "test", seconds=60) as lease:
        return land(contract, ports, lease) | clean(contract, ports, lease)


def tables(ports, contract) -> tuple[set[tuple], set[tuple]]:
    """The candidate's ``current`` and ``history``, as ``expected`` has them."""
    snapshots, places = read_candidate(ports.engine, contract.id).snapshots, released_tables(contract)
    seconds = "cast(unix_micros({0}) as long) as {0}"
    current = at(ports.spark, places["current"], snapshots["current"])
    history = at(ports.spark, places["history"], snapshots["history"])
    shown = current.selectExpr("case_no", "_state", "category", seconds.format("_valid_from")).collect()
    periods = history.selectExpr("case_no", "_event_id", "category", seconds.format("_valid_from"), seconds.format("_valid_to"))
    return {tuple(row) for row in shown}, {tuple(row) for row in periods.collect()}
