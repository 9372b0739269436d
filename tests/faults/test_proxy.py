"""The proxy drops the answer that it is told to, after the server has acted, and no other."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from tests.faults.proxy import between, commits, large, led_to, lossy, puts


@contextmanager
def server() -> Iterator[tuple[int, list[bytes]]]:
    """A server that remembers each line, and answers with it."""
    heard: list[bytes] = []

    class Line(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                heard.append(line)
                self.wfile.write(line)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Line) as own:
        own.daemon_threads = True
        threading.Thread(target=own.serve_forever, daemon=True).start()
        yield own.server_address[1], heard
        own.shutdown()


def ask(port: int, line: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(line)
        try:
            return client.recv(100)
        except ConnectionError:
            return b""


def test_an_answer_is_lost_after_the_server_acted_and_later_ones_are_not():
    with server() as (port, heard), between(port, large(5)) as proxy:
        assert ask(proxy.port, b"one\n") == b"one\n"
        proxy.armed = 1
        assert ask(proxy.port, b"two\n") == b"two\n", "too small to be the one that is meant"
        assert ask(proxy.port, b"three\n") == b""
        assert ask(proxy.port, b"four five\n") == b"four five\n"
        assert (proxy.dropped, heard) == (1, [b"one\n", b"two\n", b"three\n", b"four five\n"])


def test_a_process_is_led_through_the_proxy_without_being_told():
    with server() as (port, heard), between(port, large(1)) as proxy:
        proxy.armed = 1
        with led_to(proxy):
            assert ask(port, b"led\n") == b""
        assert ask(port, b"not led\n") == b"not led\n"
        assert (proxy.dropped, heard) == (1, [b"led\n", b"not led\n"])


def test_a_lossy_line_loses_some_answers_and_not_all():
    with server() as (port, heard), between(port, lossy(Random(1), 0.5)) as proxy:
        proxy.armed = 1000
        answers = [ask(proxy.port, b"x\n") for _ in range(20)]
        assert 0 < answers.count(b"") == proxy.dropped < 20 == len(heard)


@pytest.mark.parametrize(
    ("chunks", "found"),
    [
        ([b"insert into commit_record (id", b"Q\x00\x00\x00\x0bCOMMIT\x00"], [False, True]),
        ([b"insert into comm", b"it_record (id", b"Q..COMMIT\x00", b"Q..COMMIT\x00"], [False, False, True, False]),
        ([b"update lease set", b"Q..COMMIT\x00"], [False, False]),
        ([b"Q..COMMIT\x00", b"insert into commit_record (id"], [False, False]),
    ],
)
def test_the_commit_of_a_change_is_known_from_others(chunks, found):
    watch = commits()
    assert [watch(chunk) for chunk in chunks] == found


def test_a_put_is_acted_on_only_when_its_body_has_gone_through():
    head = b"PUT /reports/a.html HTTP/1.1\r\nhost: x\r\nContent-Length: 4\r\n\r\n"
    watch = puts("reports")()
    assert [watch(chunk) for chunk in (b"GET /reports/a HTTP/1.1\r\n\r\n", head, b"ab", b"cd")] == [False, False, False, True]
    assert not puts("reports")()(head.replace(b"/reports/", b"/lakehouse/") + b"abcd")
