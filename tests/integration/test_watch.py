"""Watch on a running stack, with Airflow and the database going away and coming back."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from commonweal.errors import TransientError
from commonweal.ports import code_version
from commonweal.settings import Settings
from streams.watch import OUTDATED, opened

pytestmark = pytest.mark.usefixtures("whole_stack")


@pytest.mark.parametrize("service", ["airflow", "database"])
def test_a_service_that_goes_away_is_met_again_when_it_is_back(stack, service):
    address = behind(stack.settings, service)
    with forwarded(address) as port:
        settings = through(stack.settings, service, port)
        with opened(settings) as look:
            assert isinstance(first(look), tuple)
    with opened(settings) as look:
        for _ in range(2):
            with pytest.raises(TransientError):
                look()
        with forwarded(address, port):
            assert isinstance(look(), tuple)


def test_a_contract_that_is_wrong_leaves_the_others_as_they_were(stack, tmp_path):
    folder = tmp_path / "schemas"
    folder.symlink_to(stack.settings.schemas_dir)
    with opened(stack.settings.model_copy(update={"schemas_dir": folder, "sweep_seconds": 1e-9})) as look:
        look()
        folder.unlink()
        (folder / "hotline").mkdir(parents=True)
        (folder / "hotline" / "service_request.yaml").write_text("id: [")
        assert isinstance(look(), tuple)


def test_a_watcher_of_older_code_ends_to_be_started_anew(stack, monkeypatch):
    monkeypatch.setenv("COMMONWEAL_CODE_VERSION", "older")
    code_version.cache_clear()
    with opened(stack.settings.model_copy(update={"sweep_seconds": 1e-9})) as look:
        look()
        monkeypatch.setenv("COMMONWEAL_CODE_VERSION", "newer")
        with pytest.raises(SystemExit) as ended:
            look()
    assert ended.value.code == OUTDATED
    code_version.cache_clear()


def first(look: Callable[[], object]) -> object:
    """The first look: what was just started may take longer for its first answer than ``watch`` waits."""
    for _ in range(5):
        with suppress(TransientError):
            return look()
    return look()


def behind(settings: Settings, service: str) -> tuple[str, int]:
    url = urlsplit(settings.airflow_url)
    return (settings.database_host, settings.database_port) if service == "database" else (url.hostname or "", url.port or 0)


def through(settings: Settings, service: str, port: int) -> Settings:
    """Settings that reach the service by another port, and look at everything each time."""
    changed = {"database_port": port} if service == "database" else {"airflow_url": f"http://127.0.0.1:{port}"}
    return settings.model_copy(update={**changed, "sweep_seconds": 1e-9})


@contextmanager
def forwarded(address: tuple[str, int], port: int = 0) -> Iterator[int]:
    """A port that leads to the address; at the end it is closed, with all connections through it."""
    open_sockets: list[socket.socket] = []

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(address) as there:
                open_sockets.extend((self.request, there))
                back = threading.Thread(target=pump, args=(there, self.request), daemon=True)
                back.start()
                pump(self.request, there)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", port), Forward) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            for side in open_sockets:
                hang_up(side)


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    hang_up(target)


def hang_up(side: socket.socket) -> None:
    with suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
