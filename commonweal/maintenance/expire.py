"""Expiry: landed events and releases past their contract's retention go, then the snapshots that nothing holds any more.

Every release is kept for a while, then the last of each day, then of each month. The current one, the newest, and all of a
dataset that a person holds stay; a kept release keeps the releases it was made from.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from commonweal import evidence
from commonweal.contract.model import Contract, Retention
from commonweal.database import database_now
from commonweal.lake.candidates import read_candidate
from commonweal.lake.catalog import load
from commonweal.lake.commit import Change, RefMove, commit, no_rows
from commonweal.lake.lease import Lease
from commonweal.lake.names import TableId, attempt_branch, landing_table, release_tag, released_tables
from commonweal.lake.releases import Release, hold_of, list_releases, rolled_back_numbers
from commonweal.maintenance.landed_events import expire_landed_events
from commonweal.maintenance.turns import in_turn
from commonweal.ports import Ports

HERE = ZoneInfo("Asia/Shanghai")
LONGEST_RUN = timedelta(days=3)


def expire(ports: Ports, contracts: Iterable[Contract], *, now: datetime | None = None) -> dict[str, int]:
    """Let go what no contract keeps any longer, by the database's clock: a machine's own may be years off.

    Returns:
        Counts: ``releases`` and landed ``events`` that went, ``busy`` datasets that wait for the next night.
    """
    at, events = now or database_now(ports.engine), 0

    def let_go(contract: Contract, lease: Lease) -> int:
        nonlocal events
        releases = _expire(ports, at, contract, lease)
        if contract.kind == "source":
            events += expire_landed_events(ports, contract, lease, now=at)
        return releases

    releases, busy = in_turn(ports, contracts, "expire", let_go)
    return {"releases": releases, "events": events, "busy": busy}


def kept_numbers(
    newest_first: Sequence[Release], retention: Retention, *, now: datetime, rolled_back: Collection[int] = ()
) -> set[int]:
    """The releases of one dataset that its contract keeps; days and months are those of China.

    What was rolled back stays as long as every release does, and never as the last one of a day or month: nobody reads it.
    """
    kept, days, months = {made.number for made in newest_first[:1]}, set(), set()
    for made in newest_first:
        at = (made.made_at or now).astimezone(HERE)
        if made.number in rolled_back:
            if (now - at).days < retention.releases_days:
                kept.add(made.number)
            continue
        is_last_of_day, is_last_of_month = at.date() not in days, (at.year, at.month) not in months
        days.add(at.date())
        months.add((at.year, at.month))
        age = (now - at).days
        if (
            age < retention.releases_days
            or (is_last_of_day and age < retention.daily_days)
            or (is_last_of_month and age < retention.monthly_days)
        ):
            kept.add(made.number)
    return kept


def with_inputs(kept: Mapping[str, set[int]], releases: Mapping[str, Sequence[Release]]) -> dict[str, set[int]]:
    """What is kept, and all that it was made from; a manifest's inputs are transitive, so one look is enough."""
    reached = {dataset: set(numbers) for dataset, numbers in kept.items()}
    for dataset, made in releases.items():
        for release in made:
            if release.number in kept[dataset]:
                for name, number in release.inputs.items():
                    reached.setdefault(name, set()).add(number)
    return reached


def _expire(ports: Ports, now: datetime, contract: Contract, lease: Lease) -> int:
    releases = {dataset: list_releases(ports.engine, dataset, most=None) for dataset in (*ports.contracts, *ports.broken)}
    kept = _kept(ports, releases, now)
    moves = [move for table in released_tables(contract).values() for move in _tags(ports, table, kept[contract.id])]
    numbers = sorted({int(move.ref.removeprefix("rel_")) for move in moves})
    if moves:
        attempt = attempt_branch(lease.epoch)
        entry = evidence.Entry("pipeline", "let_go", contract.id, {"attempt": attempt, "releases": numbers})
        commit(ports.engine, ports.lake, Change(attempt, "expire", lease, tuple(moves), no_rows, entry))
    _expire_snapshots(ports, contract, now - LONGEST_RUN)
    return len(numbers)


def _kept(ports: Ports, releases: Mapping[str, list[tuple[Release, bool]]], now: datetime) -> dict[str, set[int]]:
    """By dataset, the releases that stay; while its contract is broken nobody knows how long, so all of them."""
    kept: dict[str, set[int]] = {}
    for dataset, listed in releases.items():
        made, contract = [release for release, _ in listed], ports.contracts.get(dataset)
        current = {release.number for release, is_current in listed if is_current}
        is_held = hold_of(ports.engine, dataset) is not None
        whole = {release.number for release in made}
        own = whole if contract is None or is_held else _kept_of(ports, contract, made, now)
        kept[dataset] = own | current
    reached = with_inputs(kept, {dataset: [release for release, _ in made] for dataset, made in releases.items()})
    for dataset in releases:
        candidate = read_candidate(ports.engine, dataset)
        for name, number in (candidate.inputs if candidate else {}).items():
            reached.setdefault(name, set()).add(number)
    return reached


def _kept_of(ports: Ports, contract: Contract, made: Sequence[Release], now: datetime) -> set[int]:
    gone = rolled_back_numbers(ports.engine, contract.id)
    return kept_numbers(made, contract.retention, now=now, rolled_back=gone)


def _tags(ports: Ports, table: TableId, kept: set[int]) -> Iterable[RefMove]:
    tags = {release_tag(number) for number in kept}
    for ref, found in load(ports.lake, table).metadata.refs.items():
        if ref.startswith("rel_") and ref not in tags:
            yield RefMove(table, ref, found.snapshot_id, None, tag=True)


def _expire_snapshots(ports: Ports, contract: Contract, until: datetime) -> None:
    """Tags and branches hold what they point at; of landing, also what the candidate was made from must stay."""
    for table in released_tables(contract).values():
        _call(ports, table, until)
    candidate = read_candidate(ports.engine, contract.id)
    if contract.kind == "source" and candidate and candidate.landing_snapshot:
        table = landing_table(contract)
        used = load(ports.lake, table).metadata.snapshot_by_id(candidate.landing_snapshot)
        if used:
            _call(ports, table, min(until, datetime.fromtimestamp(used.timestamp_ms / 1000, UTC) - timedelta(seconds=1)))


def _call(ports: Ports, table: TableId, until: datetime) -> None:
    name = ".".join(table.parts)
    older = f"timestamp '{until:%Y-%m-%d %H:%M:%S}+00:00'"
    ports.spark.sql(f"call lake.system.expire_snapshots(table => '{name}', older_than => {older}, retain_last => 1)").collect()
