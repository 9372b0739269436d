"""Watch: starts a dataset's run when there is work. All it does are hints: a run that is missed or doubled changes nothing.

At each look, Kafka's end offsets of every source; a dataset whose offsets moved is looked at closely. Every ``sweep_seconds`` all
datasets are, so that whatever a hint missed (a lost asset event, a new contract, suite or transform) is found too.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

import structlog
from kafka import KafkaAdminClient

from commonweal import bus
from commonweal.airflow_api import Airflow
from commonweal.contract.loader import load_datasets
from commonweal.contract.model import Contract
from commonweal.database import engine, this_day
from commonweal.errors import AccessDeniedError, CommonwealError, ContractError
from commonweal.offsets import Offsets
from commonweal.ports import code_version
from commonweal.settings import ROOT, Settings, load_settings
from commonweal.steps.join import code_digest
from commonweal.work import basis_of, find_work, read_state
from streams.decision import Sight, Start, decide
from streams.health_page import Seen, served
from streams.repeat import log_as_json, repeat, stop_at_signal

log = structlog.get_logger()

PRINCIPAL = "watch"
OUTDATED = 75  # exit code: start it anew (sysexits.h, EX_TEMPFAIL)

QUIET_SECONDS, LONGEST_FILLING_SECONDS = 3.0, 180.0
"""For so long a topic must not have grown until the first run of a dataset that was never landed, and the longest wait for it.

Else the first release would hold the part of a backlog that happened to be there, and the second would be refused for growing.
"""

Ends = dict[str, Offsets]


@dataclass(frozen=True)
class Growth:
    """When a dataset's topics were last seen to grow, and when first."""

    ends: Ends
    at: float
    began: float


@dataclass(frozen=True)
class Tries:
    """Starts of a dataset since anything came of them.

    Attributes:
        progress: Digest of what a run that gets anywhere changes.
        starts: How many since then.
        last_active: When a run of it was last seen under way, or started.
    """

    progress: str
    starts: int = 0
    last_active: float = 0.0


@dataclass
class Watch:
    """One watcher with its connections, and what it remembers; forgetting costs a superfluous look at most.

    Attributes:
        settings: Addresses, secrets, and how often.
        kafka: Asked for end offsets.
        airflow: Asked for runs, and to start them.
        seen: What the page of metrics shows of what was seen.
        clock: This program's clock, in seconds.
    """

    settings: Settings
    kafka: KafkaAdminClient
    airflow: Airflow
    seen: Seen = field(default_factory=Seen)
    clock: Callable[[], float] = time.monotonic
    _contracts: Mapping[str, Contract] = field(default_factory=dict)
    _code: str = field(default_factory=lambda: code_version(ROOT))
    _next_sweep: float = 0.0
    _settled: dict[str, Ends] = field(default_factory=dict)
    _tries: dict[str, Tries] = field(default_factory=dict)
    _growth: dict[str, Growth] = field(default_factory=dict)

    def look(self) -> tuple[Start, ...]:
        """Look once, and start what there is to start.

        Returns:
            The runs that were started, or had been by another watcher.

        Raises:
            TransientError: Kafka, Airflow or the database is unreachable.
            SystemExit: The code has changed since this program began.
        """
        now = self.clock()
        if now >= self._next_sweep:
            self._end_if_outdated()
            self._contracts = self._read_contracts()
            self._settled.clear()
            self._next_sweep = now + self.settings.sweep_seconds
        ends = self._ends()
        self.seen.contracts, self.seen.ends = self._contracts, {topic: end for own in ends.values() for topic, end in own.items()}
        self._growth |= {
            item: Growth(end, now, self._growth[item].began if item in self._growth else now)
            for item, end in ends.items()
            if not self._is_known(item, end)
        }
        unsettled = [item for item in self._contracts.values() if self._settled.get(item.id) != ends[item.id]]
        if not unsettled:
            return ()
        active = self.airflow.active()
        self._tries |= {item: replace(tries, last_active=now) for item, tries in self._tries.items() if item in active}
        sights = [sight for item in unsettled if item.id not in active for sight in self._sights(item, ends[item.id])]
        return tuple(start for start in decide(sights, now=now, pause_seconds=self.settings.sweep_seconds) if self._start(start))

    def _is_known(self, dataset: str, ends: Ends) -> bool:
        return dataset in self._growth and self._growth[dataset].ends == ends

    def _is_filling(self, dataset: str) -> bool:
        growth, now = self._growth[dataset], self.clock()
        return now - growth.at < QUIET_SECONDS and now - growth.began < LONGEST_FILLING_SECONDS

    def _end_if_outdated(self) -> None:
        """Tasks run the newest code, and what is work must be judged by the same: end, and be started anew by the supervisor."""
        code_version.cache_clear()
        if code_version(ROOT) != self._code:
            log.info("watch_outdated", code=self._code)
            raise SystemExit(OUTDATED)

    def _read_contracts(self) -> Mapping[str, Contract]:
        """The contracts in order; while a register is being mended, those read before."""
        try:
            found = load_datasets(self.settings.schemas_dir)
        except ContractError as error:
            if not self._contracts:
                raise
            log.warning("contracts_not_read", message=str(error))
            return self._contracts
        self.seen.broken = tuple(sorted(found.broken))
        for dataset, findings in found.broken.items():
            log.warning("contract_broken", dataset=dataset, problems=[str(finding) for finding in findings])
        for finding in found.stray:
            log.warning("file_out_of_place", problem=str(finding))
        return found.contracts

    def _ends(self) -> dict[str, Ends]:
        """By dataset, the end offsets of its topics; none for a product, and none while a topic isn't made or allowed yet."""
        sources = [contract for contract in self._contracts.values() if contract.kind == "source"]
        try:
            found = bus.end_offsets(self.kafka, [topic for contract in sources for topic in contract.topics])
        except AccessDeniedError:
            found = self._allowed_ends(sources)
        return {item.id: {topic: found[topic] for topic in item.topics if topic in found} for item in self._contracts.values()}

    def _allowed_ends(self, sources: list[Contract]) -> Ends:
        """One by one, so that a dataset whose rights aren't applied yet keeps no other from its run."""
        found: Ends = {}
        for contract in sources:
            try:
                found |= bus.end_offsets(self.kafka, contract.topics)
            except AccessDeniedError as error:
                log.warning("topic_denied", dataset=contract.id, message=str(error))
        return found

    def _sights(self, contract: Contract, ends: Ends) -> Iterator[Sight]:
        """The dataset as it stands, if there is work; what is wrong with one contract alone keeps no other from its run."""
        try:
            sight = self._sight(contract, ends)
        except CommonwealError as error:
            if error.retryable:
                raise
            log.warning("dataset_not_seen", dataset=contract.id, error=type(error).__name__, message=str(error))
            self._settled[contract.id] = ends
            return
        if sight.reasons and not sight.is_final:
            yield sight
        else:
            self._settled[contract.id] = ends

    def _sight(self, contract: Contract, ends: Ends) -> Sight:
        source, code = engine(self.settings, PRINCIPAL), code_digest(contract)
        state, today = read_state(source, contract), this_day(source)
        work = find_work(contract, state, ends, code, today=today)
        progress = basis_of(contract, state, {}, code, today=today)
        tries = self._tries.get(contract.id)
        if tries is None or tries.progress != progress:
            tries = self._tries[contract.id] = Tries(progress)
        return Sight(
            dataset=contract.id,
            reasons=work.reasons,
            basis=work.basis,
            # Runs that died before they could record an attempt count too, else their id would be taken for ever.
            finished=work.finished + (self._ended(contract.id) if work.is_open else 0),
            is_filling=state.candidate is None and self._is_filling(contract.id),
            is_final=work.blocked is not None,
            starts=tries.starts,
            last_active=tries.last_active,
        )

    def _start(self, start: Start) -> bool:
        try:
            is_new = self.airflow.start(start.dataset, start.run_id, note=", ".join(start.reasons))
        except CommonwealError as error:
            log.warning("run_not_started", dataset=start.dataset, error=type(error).__name__, message=str(error))
            return False
        tries = self._tries[start.dataset]
        self._tries[start.dataset] = replace(tries, starts=tries.starts + 1, last_active=self.clock())
        event = "run_started" if is_new else "run_started_before"
        log.info(event, dataset=start.dataset, run_id=start.run_id, reasons=start.reasons)
        return True

    def _ended(self, dataset: str) -> int:
        """Runs that ended; none while Airflow has not read the DAG, which starting it will say."""
        try:
            return self.airflow.ended(dataset)
        except CommonwealError:
            return 0


@contextmanager
def opened(settings: Settings, seen: Seen | None = None) -> Iterator[Callable[[], object]]:
    """A watcher's look, with its connections open; what it saw is noted in ``seen``."""
    with bus.admin(settings, PRINCIPAL) as kafka, closing(Airflow(settings, PRINCIPAL)) as airflow:
        watch = Watch(settings, kafka, airflow, seen or Seen())

        def look() -> tuple[Start, ...]:
            started = watch.look()
            watch.seen.looked_at = time.time()
            return started

        yield look


def main() -> None:
    """Watch until SIGTERM."""
    log_as_json()
    settings, seen = load_settings(), Seen()
    with served(settings, seen) as page:
        log.info("watch_started", every_seconds=settings.watch_seconds, sweep_seconds=settings.sweep_seconds, metrics=page)
        repeat(lambda: opened(settings, seen), seconds=settings.watch_seconds, stop=stop_at_signal())
    log.info("watch_ended")


if __name__ == "__main__":
    main()
