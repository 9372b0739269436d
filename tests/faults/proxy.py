"""A small TCP proxy that lets a request through and drops its answer: the server has acted, the client doesn't know."""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random

CHUNK = 65_536
THREAD = "proxy"
FIRST_RECORD = b"insert into commit_record"
Watch = Callable[[bytes], bool]
"""Sees what one connection's client sends, chunk by chunk; True when its answer is the one to drop."""


@dataclass
class Proxy:
    """A proxy that runs.

    Attributes:
        target: The port of the server behind it, on loopback.
        port: Where it listens, on loopback.
        dropped: How many answers it has dropped.
        armed: How many more it drops.
        delay: Seconds by which each chunk is late, in either direction.
    """

    target: int
    port: int = 0
    dropped: int = 0
    armed: int = 0
    delay: float = 0.0
    _watch: Callable[[], Watch] = field(default=lambda: lambda _: False)
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side or the proxy ends it."""
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        cut, watch = asyncio.Event(), self._watch()
        ways = [
            asyncio.create_task(self._requests(reader, upstream[1], cut, watch)),
            asyncio.create_task(self._answers(upstream[0], writer, cut)),
        ]
        self._ends |= {writer, upstream[1]}
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, upstream[1]):
            end.transport.abort()
        self._ends -= {writer, upstream[1]}

    async def _requests(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, cut: asyncio.Event, watch: Watch
    ) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if watch(data) and self.armed:
                    self.armed -= 1
                    cut.set()
                await asyncio.sleep(self.delay)
                target.write(data)
                await target.drain()
            await asyncio.sleep(0.1)  # what is still on its way back

    async def _answers(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, cut: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if cut.is_set():
                    self.dropped += 1
                    return
                await asyncio.sleep(self.delay)
                target.write(data)
                await target.drain()


@contextmanager
def between(target: int, watch: Callable[[], Watch]) -> Iterator[Proxy]:
    """A proxy before a port of loopback, in a thread of its own; ``watch`` makes a watcher for each connection."""
    proxy, loop = Proxy(target, _watch=watch), asyncio.new_event_loop()
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await over.wait()
            for end in proxy._ends:
                end.transport.abort()
            if ending := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(ending, timeout=5)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name=THREAD, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)


@contextmanager
def led_to(proxy: Proxy) -> Iterator[None]:
    """Lead this process' connections through the proxy, whatever port a server names as its own: a Kafka broker does so."""
    direct = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}

    def led(name: str) -> Callable[[socket.socket, tuple[object, ...]], object]:
        def connect(own: socket.socket, to: tuple[object, ...]) -> object:
            is_target = to[1:2] == (proxy.target,) and threading.current_thread().name != THREAD
            return direct[name](own, (to[0], proxy.port, *to[2:]) if is_target else to)

        return connect

    for name in direct:
        setattr(socket.socket, name, led(name))
    try:
        yield
    finally:
        for name, method in direct.items():
            setattr(socket.socket, name, method)


def commits() -> Watch:
    """PostgreSQL's protocol, which is not encrypted on loopback: the COMMIT of a transaction that wrote a commit record."""
    seen = bytearray()

    def watch(data: bytes) -> bool:
        seen.extend(data)
        if FIRST_RECORD in seen and re.search(rb"COMMIT\x00", seen[seen.rindex(FIRST_RECORD) :]):
            seen.clear()
            return True
        del seen[:-CHUNK]
        return False

    return watch


def puts(bucket: str) -> Callable[[], Watch]:
    """HTTP: a PutObject into a bucket, watched to the end of its body."""
    head = re.compile(rb"PUT /" + bucket.encode() + rb"/[^ ]+ HTTP/1\.1\r\n.*?\r\n\r\n", re.DOTALL)

    def make() -> Watch:
        seen = bytearray()

        def watch(data: bytes) -> bool:
            seen.extend(data)
            found = head.search(seen)
            length = re.search(rb"(?i)content-length: (\d+)", found[0]) if found else None
            if found is None or length is None or len(seen) - found.end() < int(length[1]):
                return False
            seen.clear()
            return True

        return watch

    return make


def lossy(random: Random, share: float) -> Callable[[], Watch]:
    """A bad line: of so large a share of all that is sent, whatever it is, the answer is lost and the connection with it."""
    return lambda: lambda _: random.random() < share


def large(size: int) -> Callable[[], Watch]:
    """What can't be read, as TLS: the answer to a request of at least so many bytes, which only a batch of records has."""

    def make() -> Watch:
        sizes: list[int] = []

        def watch(data: bytes) -> bool:
            sizes.append(len(data))
            return sum(sizes[-2:]) >= size

        return watch

    return make
