"""Publish: a department's export becomes events of its dataset.

Every row is checked with all its errors before anything is sent, by the validator that landing uses. What passes waits in a
private spool; bad rows go to a reject file beside the export, never to Kafka. Event ids are stable, and a journal knows what was
sent, so that publishing a file twice adds nothing.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from commonweal import bus
from commonweal.contract.loader import load_contract
from commonweal.contract.model import Contract
from commonweal.decoding import Envelopes
from commonweal.decoding.envelope import HEADERS
from commonweal.decoding.rows import check_columns
from commonweal.decoding.values import Refused, read_instant
from commonweal.errors import ConfigError, ContractError, TransientError
from commonweal.settings import Settings
from streams.publishing import lanes, processes, shares
from streams.publishing.checking import ATTRIBUTES, REJECT_COLUMNS, Rejects, Tally, fingerprint
from streams.publishing.event import Event, Origin
from streams.publishing.exports import Export, Format, look
from streams.publishing.journal import Journal
from streams.publishing.sending import principal
from streams.publishing.spool import Spool, spool

Progress = Callable[[str, int, int | None], None]
LARGE_BYTES = 2 << 20
"""From so many bytes on, which may be packed, an export is checked, and perhaps sent, by more than one process."""
MOST_PROCESSES = 4
_SECRET_BYTES = 32


@dataclass(frozen=True)
class Request:
    """What to publish.

    Attributes:
        file: The export; ``-`` is standard input.
        dataset: Id of the dataset.
        source: ``/department`` or ``/department/system``; by default the department.
        event_type: ``recorded``, ``corrected`` or ``withdrawn``, for rows whose ``ce_type`` says nothing else.
        exported_at: When the export was made, RFC 3339; by default the file's time, or now for standard input.
        id_column: Column of the department's own event ids.
        rejects: Where bad rows go; by default beside the export.
        format: Format of the export; by default what its name says, CSV for standard input.
        dry_run: Check everything, send nothing.
        again: Send although the journal says that the file was sent.
    """

    file: str
    dataset: str
    source: str | None = None
    event_type: str = "recorded"
    exported_at: str | None = None
    id_column: str | None = None
    rejects: Path | None = None
    format: Format | None = None
    dry_run: bool = False
    again: bool = False


@dataclass
class Outcome:
    """What became of the export: counts, reasons, and where the bad rows are.

    Attributes:
        outcome: ``published``, ``already published`` or ``checked`` (a dry run).
        encoding: How the text was read, when it had to be guessed.
    """

    dataset: str
    outcome: str
    rows: int = 0
    bad: int = 0
    sent: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    rejects: str | None = None
    encoding: str | None = None

    def as_dict(self) -> dict[str, object]:
        """The outcome for a machine."""
        return asdict(self)


def publish(request: Request, settings: Settings, progress: Progress = lambda *_: None) -> Outcome:
    """Check an export and send its events.

    Args:
        request: What to publish.
        settings: Addresses, folders and secrets.
        progress: Told what is done, how many rows more, and how many there are in all, if known.

    Raises:
        ContractError: The export isn't the contract's, or too many of its rows are bad; nothing was sent.
        ConfigError: An option, a secret or a setting is wrong; nothing was sent.
        AccessDeniedError: The broker denies the department the topic.
        TransientError: The broker didn't acknowledge every event; publishing again is safe.
    """
    contract = _source_contract(request, settings)
    folder = settings.run_dir / "publish" / contract.department
    with _export(request, folder) as export:
        _check_columns(request, export, contract)
        origin = _origin(request, export, contract, settings)
        journal, mark = Journal(folder), _fingerprint(request, export, contract, settings)
        sent = None if request.again or request.dry_run else journal.events(mark)
        if sent is not None:
            return Outcome(contract.id, "already published", sent=sent)
        rejects = Rejects(_rejects_path(request, export), export.columns)
        with spool(folder, writers=_processes(export)) as waiting:
            standard = shares.Standard(contract, origin, datetime.now(UTC))
            tally = shares.check(export, standard, waiting, _step(progress, "check", None))
            _write_down(waiting, rejects)
            outcome = _outcome(contract, export, tally, rejects)
            _refuse_too_many(contract, tally, outcome)
            if not request.dry_run:
                target = lanes.Target(contract, origin, settings)
                outcome.sent = _send(waiting, target, _step(progress, "send", tally.rows - tally.bad))
                outcome.outcome = "published"
                journal.add(mark, contract.id, outcome.sent)
            return outcome


def publishing_secret(settings: Settings, department: str) -> bytes:
    """The department's publishing key, from which event ids are derived; made if it is missing (mode 0600)."""
    path = settings.secrets_dir / f"publish-{department}"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(os.urandom(_SECRET_BYTES).hex())
        # Linked, not moved: of two first publishers one key stays, and both read that one.
        with _suppressed_exists():
            os.link(draft, path)
        draft.unlink()
    return bytes.fromhex(settings.secret(path.name))


@contextmanager
def _suppressed_exists() -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        return


def _source_contract(request: Request, settings: Settings) -> Contract:
    contract = load_contract(settings.schemas_dir, request.dataset)
    if contract.kind != "source":
        raise ContractError(f"{contract.id} is a product: it is made from released inputs, not published")
    return contract


@contextmanager
def _export(request: Request, folder: Path) -> Iterator[Export]:
    if request.file != "-":
        yield look(Path(request.file), request.format)
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Unnamed like the spool: it is gone however this program ends. Each reader opens it anew through its descriptor.
    with tempfile.TemporaryFile(dir=folder) as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield look(Path(f"/proc/{os.getpid()}/fd/{file.fileno()}"), request.format or "csv")


def _check_columns(request: Request, export: Export, contract: Contract) -> None:
    columns = list(export.columns)
    if export.format == "jsonl":
        # A line leaves out what is null, so only the names that are there can be wrong.
        columns += [item.physical_name for item in contract.fields if item.physical_name not in columns]
    elif request.id_column and request.id_column not in columns:
        raise ContractError(f"{contract.id}: the export has no column {request.id_column}; name the one that holds the event ids")
    extra = (*ATTRIBUTES, *REJECT_COLUMNS, *([request.id_column] if request.id_column else []))
    check_columns(columns, contract, extra=extra)


def _origin(request: Request, export: Export, contract: Contract, settings: Settings) -> Origin:
    source = request.source or f"/{contract.department}"
    secret = publishing_secret(settings, contract.department)
    origin = Origin(source, request.event_type, _exported_at(request, export), request.id_column, secret)
    probe = Event("", "probe", request.event_type, None if request.event_type == "recorded" else "other", "{}")
    headers = origin.headers(probe, contract)
    raw = tuple(headers[name].encode() if name in headers else None for name in HEADERS)
    reasons = Envelopes(contract).read(raw, topic=contract.topic, seen_at=datetime.now(UTC)).reasons
    if reasons:
        raise ConfigError(f"{contract.id}: --source, --type or --exported-at is wrong ({', '.join(reasons)}); source begins with "
                          f"/{contract.department}, an export isn't from the future")  # fmt: skip
    return origin


def _exported_at(request: Request, export: Export) -> str:
    try:
        moment = read_instant(request.exported_at) if request.exported_at else None
    except Refused:
        raise ConfigError("--exported-at is no instant of RFC 3339, like 2026-01-31T08:00:00+08:00") from None
    if moment is None:
        moment = datetime.now(UTC) if request.file == "-" else datetime.fromtimestamp(export.path.stat().st_mtime, UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _fingerprint(request: Request, export: Export, contract: Contract, settings: Settings) -> str:
    # Another cluster or topic has not got the file yet, though this one has.
    topic_id = ""
    if not request.dry_run:
        with bus.admin(settings, principal(contract)) as client:
            topic_id = bus.topic_id(client, contract.topic)
    parts = (export.digest, contract.digest, request.source or "", request.event_type, request.id_column or "", topic_id)
    return fingerprint(contract.id, request.exported_at or "", *parts)


def _rejects_path(request: Request, export: Export) -> Path:
    beside = Path("stdin") if request.file == "-" else export.path
    path = request.rejects or beside.with_name(f"{beside.name.split('.')[0]}.rejected.csv")
    if path.resolve() == export.path.resolve():
        raise ConfigError(f"{path} is the export itself; name another file for the bad rows with --rejects")
    return path


def _processes(export: Export) -> int:
    """How many are to check the export."""
    if export.size <= LARGE_BYTES:
        return 1
    processes.warm([shares.__name__, lanes.__name__])
    return min(MOST_PROCESSES, len(os.sched_getaffinity(0)))


def _write_down(waiting: Spool, rejects: Rejects) -> None:
    try:
        for row, reasons in waiting.rejected():
            rejects.add(row, reasons)
    finally:
        rejects.close()


def _outcome(contract: Contract, export: Export, tally: Tally, rejects: Rejects) -> Outcome:
    return Outcome(
        dataset=contract.id,
        outcome="checked",
        rows=tally.rows,
        bad=tally.bad,
        reasons=dict(tally.reasons.most_common()),
        rejects=str(rejects.path) if tally.bad else None,
        encoding=export.encoding if export.encoding not in (None, "utf-8-sig") else None,
    )


def _refuse_too_many(contract: Contract, tally: Tally, outcome: Outcome) -> None:
    if not tally.rows:
        raise ContractError(f"{contract.id}: the export has a header and no row; nothing was sent")
    if tally.bad > tally.rows * contract.limits.max_share_bad_rows:
        found = ", ".join(f"{reason} {count:,}" for reason, count in tally.reasons.most_common(10))
        raise ContractError(
            f"{contract.id}: {tally.bad:,} of {tally.rows:,} rows are bad, more than {contract.limits.max_share_bad_rows:.1%}; "
            f"nothing was sent. Reasons: {found}. The rows are in {outcome.rejects}: mend them, or the export, and publish again"
        )


def _send(waiting: Spool, target: lanes.Target, step: Callable[[int], None]) -> int:
    found = lanes.send(waiting, target, step)
    if not found.are_complete:
        cause = found.cause or TransientError("no answer in time")
        raise type(cause)(
            f"{target.contract.id}: {found.written:,} events written, {found.refused:,} refused, {found.unknown:,} without an "
            f"answer ({cause}). Publish the export again: events keep their ids, so none counts twice"
        )
    return found.written


def _step(progress: Progress, task: str, total: int | None) -> Callable[[int], None]:
    return lambda count: progress(task, count, total)
