"""The small server in ``watch``: ``/metrics`` in Prometheus' text format, and ``/healthz`` for whoever supervises it.

Steps live for seconds, so they push nothing: what they did is in the database, and is read from there when the page is asked for.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from commonweal import __version__
from commonweal.contract.model import Contract
from commonweal.database import engine
from commonweal.errors import CommonwealError
from commonweal.health import read_health
from commonweal.offsets import Offsets
from commonweal.overview import DatasetStatus, overview
from commonweal.settings import Settings
from streams.metrics import gauge, of_contracts, of_datasets, of_platform, of_work

log = structlog.get_logger()

STALE_SECONDS = 120.0
"""What watch saw of Kafka longer ago is not shown: a number that stands still would look like health."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class Seen:
    """What ``watch`` saw last; each attribute is replaced whole, so that the server's threads never read half of one.

    Attributes:
        contracts: By id.
        ends: By topic, Kafka's end offsets.
        broken: Datasets whose contract is broken; the other metrics leave them out.
        looked_at: When a look ended well, in seconds since 1970; 0 before the first.
    """

    contracts: Mapping[str, Contract] = field(default_factory=dict)
    ends: Mapping[str, Offsets] = field(default_factory=dict)
    broken: Collection[str] = ()
    looked_at: float = 0.0

    def is_fresh(self, now: float) -> bool:
        """Whether what was seen still says something about now."""
        return now - self.looked_at <= STALE_SECONDS

    def knows(self, dataset: str) -> bool:
        """Whether the ends of all its topics were seen; one that may not be looked at is unknown, and not empty."""
        contract = self.contracts.get(dataset)
        return contract is not None and set(contract.topics) <= set(self.ends)


class Metrics(Collector):
    """All metrics, read anew each time the page is asked for."""

    def __init__(self, settings: Settings, seen: Seen, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._seen = seen
        self._clock = clock

    def describe(self) -> list[Metric]:
        """Nothing: to know would take the database, which may be away when the page is set up."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics; while the database is away, that it is."""
        yield InfoMetricFamily("commonweal_build", "What serves this page.", value={"version": __version__})
        looked = "When watch last looked at Kafka, the database and Airflow without an error; 0: never."
        yield gauge("watch_last_look_timestamp_seconds", looked, [((), self._seen.looked_at)])
        try:
            found = tuple(self._of_database())
        except CommonwealError as error:
            log.warning("metrics_without_database", error=type(error).__name__, message=str(error))
            found = ()
        yield gauge("database_up", "1 when the platform's database answers.", [((), float(bool(found)))])
        yield from found

    def _of_database(self) -> Iterator[Metric]:
        now, seen, database = self._clock(), self._seen, engine(self._settings, "watch")
        yield from of_platform(read_health(database), now)
        statuses = tuple(self._statuses(database))
        yield from of_datasets(seen.contracts, statuses, now)
        yield of_contracts(seen.contracts, seen.broken)
        if seen.is_fresh(now):
            yield from of_work([item for item in statuses if seen.knows(item.dataset)])

    def _statuses(self, database: Engine) -> Iterator[DatasetStatus]:
        """What is wrong with one contract alone takes no other dataset from the page."""
        for name, contract in self._seen.contracts.items():
            try:
                yield from overview(database, {name: contract}, self._seen.ends)
            except CommonwealError as error:
                if error.retryable:
                    raise
                log.warning("dataset_without_metrics", dataset=name, error=type(error).__name__, message=str(error))


@contextmanager
def served(settings: Settings, seen: Seen) -> Iterator[str]:
    """Serve the pages while the body runs; without a port in the settings, nothing.

    A page that can't be served stops no run: it is logged, and missing, which is what the alerts ask for first.

    Yields:
        The page's address; empty when nothing is served.
    """
    if not settings.metrics_port:
        yield ""
        return
    try:
        server = make_server(settings.metrics_host, settings.metrics_port, application(settings, seen), _Server, _Handler)
    except OSError as error:
        log.error("metrics_not_served", host=settings.metrics_host, port=settings.metrics_port, why=error.strerror)
        yield ""
        return
    with server:
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        try:
            yield f"http://{settings.metrics_host}:{settings.metrics_port}/metrics"
        finally:
            server.shutdown()


def application(settings: Settings, seen: Seen, clock: Callable[[], float] = time.time) -> Application:
    """The pages as a WSGI application."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Metrics(settings, seen, clock))
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            pages: Iterable[bytes] = metrics(environ, start_response)
            return pages
        is_well = seen.is_fresh(clock())
        status, text = ("200 OK", "ok\n") if is_well else ("503 Service Unavailable", "no look without an error lately\n")
        if path != "/healthz":
            status, text = "404 Not Found", "see /metrics and /healthz\n"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [text.encode()]

    return answer


class _Server(ThreadingWSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    """Logs no request, and waits for none that doesn't come."""

    timeout = 30

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - the library's names
        """Nothing."""
