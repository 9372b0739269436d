"""Join: a product's ``transform`` over released snapshots of its inputs, then suppression where the contract declares it."""

import hashlib
import importlib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

import structlog

from commonweal import evidence
from commonweal.compaction import join_small_files
from commonweal.contract.model import Contract, Input, Suppression
from commonweal.database import this_day
from commonweal.errors import ConflictError, ContractError
from commonweal.lake.candidates import Candidate, closed_through, read_candidate, write_candidate
from commonweal.lake.catalog import create_branch, drop_branch, head, load
from commonweal.lake.commit import Change, RefMove, commit
from commonweal.lake.lease import Lease
from commonweal.lake.names import CANDIDATE, attempt_branch, release_tag, released_table, released_tables
from commonweal.lake.releases import Release, list_releases, rolled_back_numbers
from commonweal.lake.spark import at, replace_rows
from commonweal.lineage import agreeing, transitive
from commonweal.ports import Ports
from commonweal.render.lake_schema import current_schema, ddl
from commonweal.settings import ROOT
from commonweal.steps.changes import Groups, changed_groups
from commonweal.work import is_period_closed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = structlog.get_logger()

GROUPS = "groups"
SETTLING = ("states.py", "succession.py", "settling.py", "folding.py", "steps/clean.py")
"""The code that makes a source's rows from its events."""


def join(contract: Contract, ports: Ports, lease: Lease, *, rebuild: bool = False) -> dict[str, int]:
    """Make the product's candidate from the newest releases of its inputs that agree.

    Returns:
        ``candidate``: its number, 0 when the inputs are those of the candidate before and no declared period was closed since,
        or when not all are released yet. ``groups``: how many were joined anew, when it was not all of them.

    Raises:
        ContractError: The transform's module is missing, or its result has not the contract's columns.
        ConflictError, FencedError, TransientError: As the commit function.
    """
    chosen, today = chosen_releases(contract, ports), this_day(ports.engine)
    before = read_candidate(ports.engine, contract.id)
    if chosen is None or (before and _is_same(before, contract, chosen, today) and not rebuild):
        return {"candidate": 0}
    table, branch = released_tables(contract)["current"], attempt_branch(lease.epoch)
    base = head(ports.lake, table, CANDIDATE)
    if base is None:
        raise ConflictError(f"{contract.id}: its table has no first snapshot; run: commonweal apply")
    create_branch(ports.lake, table, branch, base)
    try:
        continued = before if before and not rebuild and _is_continued(before, contract, ports, base) else None
        with changed_groups(contract, ports, chosen, continued) as groups:
            _write(contract, ports, chosen, table.branch(branch), today, groups)
            anew = {GROUPS: groups.keys.count()} if groups else {}
        candidate = replace(_candidate(contract, ports, chosen, branch, before), counts=_counts(contract, today) | anew)
        moves = (
            RefMove(table, CANDIDATE, base, candidate.snapshots["current"]),
            RefMove(table, branch, candidate.snapshots["current"], None),
        )
        commit(ports.engine, ports.lake, _change(contract, lease, candidate, moves))
    except ConflictError:
        drop_branch(ports.lake, table, branch)
        raise
    log.info("joined", dataset=contract.id, candidate=candidate.number, inputs=candidate.inputs)
    return {"candidate": candidate.number} | anew


def chosen_releases(contract: Contract, ports: Ports) -> dict[str, Release] | None:
    """By input dataset, the newest kept release such that all agree on their common sources; None when there are none."""
    datasets = sorted({item.dataset for item in contract.inputs})
    kept = {dataset: [made for made, _ in _not_newer_than_current(ports, dataset)] for dataset in datasets}
    return agreeing(kept)


def transform_module(contract: Contract) -> ModuleType:
    """The module with the product's ``transform``: its path is the dataset's id.

    Raises:
        ContractError: There is no such module, it can't be imported, or it has no ``transform``.
    """
    name, file = f"jobs.{contract.id}", f"jobs/{contract.department}/{contract.name}.py"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        is_missing = error.name is not None and name.startswith(error.name)
        why = "is missing; write its transform" if is_missing else f"imports {error.name}, which isn't there; mend it"
        raise ContractError(f"{contract.id}: {file} {why}") from None
    except Exception as error:  # noqa: BLE001 - whatever a transform's module does wrong is that dataset's fault alone
        raise ContractError(f"{contract.id}: {file} can't be imported ({type(error).__name__}); mend it") from None
    if not hasattr(module, "transform"):
        raise ContractError(f"{contract.id}: {file} has no function transform; write it")
    return module


def code_digest(contract: Contract) -> str:
    """SHA-256 of the source of what makes the dataset's rows: changed, it makes a new candidate of every row."""
    if contract.kind == "source":
        files = [ROOT / "commonweal" / name for name in SETTLING]
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return hashlib.sha256(inspect.getsource(transform_module(contract)).encode()).hexdigest()


def made_by(contract: Contract) -> str:
    """Digests of the contract and of the code that makes the dataset's rows, as a candidate remembers them."""
    return f"{contract.digest}:{code_digest(contract)}"


def _not_newer_than_current(ports: Ports, dataset: str) -> list[tuple[Release, bool]]:
    """Kept releases up to the current one, newest first: neither what was rolled back nor what was let go is an input."""
    listed = list_releases(ports.engine, dataset, most=None)
    newest = next((index for index, (_, is_current) in enumerate(listed) if is_current), len(listed))
    if not listed[newest:]:
        return []
    tags = load(ports.lake, released_table(ports.contract(dataset), "current")).metadata.refs
    gone = rolled_back_numbers(ports.engine, dataset)
    return [item for item in listed[newest:] if release_tag(item[0].number) in tags and item[0].number not in gone]


def _counts(contract: Contract, today: date) -> dict[str, int]:
    return closed_through(today) if contract.suppression else {}


def _is_same(before: Candidate, contract: Contract, chosen: Mapping[str, Release], today: date) -> bool:
    is_made_of_these = before.inputs == transitive(chosen) and before.contract_digest == made_by(contract)
    return is_made_of_these and not is_period_closed(contract, before, today)


def _is_continued(before: Candidate, contract: Contract, ports: Ports, base: int) -> bool:
    """Whether the rows that stand at the candidate's ref are those that today's contract and code made."""
    makers = before.contract_digest, before.code_version
    return makers == (made_by(contract), ports.code_version) and before.snapshots["current"] == base


def _write(
    contract: Contract,
    ports: Ports,
    chosen: Mapping[str, Release],
    branch: str,
    today: date,
    groups: Groups | None,
) -> None:
    """Write the product's rows on a branch: those of some groups in the place of theirs, or all."""
    frames = {item.name: released_input(ports, item, chosen[item.dataset]) for item in contract.inputs}
    if groups:
        frames = {name: groups.rows_of(frame) for name, frame in frames.items()}
    result = transform_module(contract).transform(**frames)
    if contract.suppression:
        result = _suppressed(contract, ports, contract.suppression, result, today)
    wanted, found = current_schema(contract).names, result.columns
    if sorted(wanted) != sorted(found):
        missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
        raise ContractError(
            f"{contract.id}: transform gives other columns than the contract: missing {missing}, not asked for {extra}"
        )
    replace_rows(ports.spark, branch, result.select(*wanted), groups.keys if groups else None)


def _suppressed(contract: Contract, ports: Ports, rules: Suppression, result: "DataFrame", today: date) -> "DataFrame":
    """The cells that may be published; what any earlier release showed or hid stays so, also one that was rolled back."""
    from commonweal.suppression import suppress

    made = list_releases(ports.engine, contract.id, most=1)
    table = released_table(contract, "current")
    published = at(ports.spark, table, made[0][0].snapshots["current"]).toArrow() if made else None
    visible = suppress(result.toArrow(), rules, published=published, closed_through=today)
    rows = visible.select(current_schema(contract).names).cast(current_schema(contract))
    return ports.spark.createDataFrame(rows, schema=ddl(current_schema(contract)))


def released_input(ports: Ports, item: Input, release: Release) -> "DataFrame":
    """An input as people read it: the release's snapshot, live rows only, the contract's columns and periods."""
    contract = ports.contract(item.dataset)
    frame = at(ports.spark, released_table(contract, item.table), release.snapshots[item.table])
    if contract.kind == "product":
        return frame
    return readable(frame, item.table)


def readable(frame: "DataFrame", table: str) -> "DataFrame":
    """Of a source's table, what people read: hidden rows and the platform's counters left out."""
    if table == "history":
        return frame
    counters = ("_events", "_superseded", "_duplicates", "_conflicts", "_pending", "_withdrawn", "_state")
    return frame.where("_state = 'live'").drop(*counters)


def _candidate(
    contract: Contract, ports: Ports, chosen: Mapping[str, Release], branch: str, before: Candidate | None
) -> Candidate:
    table = released_tables(contract)["current"]
    written = head(ports.lake, table, branch)
    if written is None:
        raise ConflictError(f"{contract.id}: branch {branch} is gone; nothing changed, run the step again")
    return Candidate(
        dataset=contract.id,
        number=before.number + 1 if before else 1,
        commit_id=branch,
        offsets={},
        landing_snapshot=None,
        snapshots={"current": join_small_files(ports, table, branch, written)},
        rows={},
        counts={},
        inputs=transitive(chosen),
        contract_digest=made_by(contract),
        code_version=ports.code_version,
        key_epoch=next((made.key_epoch for made in chosen.values() if made.key_epoch), None),
    )


def _change(contract: Contract, lease: Lease, candidate: Candidate, moves: tuple[RefMove, ...]) -> Change:
    details = {
        "attempt": candidate.commit_id,
        "candidate": candidate.number,
        "inputs": candidate.inputs,
        "snapshots": candidate.snapshots,
    }
    details |= {name: count for name, count in candidate.counts.items() if name == GROUPS}
    entry = evidence.Entry("pipeline", "joined", contract.id, details)
    return Change(candidate.commit_id, "join", lease, moves, partial(write_candidate, candidate=candidate), entry)
