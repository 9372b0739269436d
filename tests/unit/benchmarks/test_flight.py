"""A Java process is recorded and read back: what was at work, and by whose doing."""

import socket
import subprocess
import time
import urllib.request

import pytest

from benchmarks.flight import PAUSE, _package, _seconds, read, recorded
from infra.install import java


def test_a_server_at_work_is_seen_at_work(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = "jdk.httpserver/sun.net.httpserver.simpleserver.Main"
    with subprocess.Popen([str(java()), "-Xmx64m", "-m", server, "-b", "127.0.0.1", "-p", str(port)], cwd=tmp_path) as process:
        try:
            ask(f"http://127.0.0.1:{port}/", until=time.monotonic() + 20, once=True)
            with recorded(process.pid, tmp_path / "some.jfr"):
                ask(f"http://127.0.0.1:{port}/", until=time.monotonic() + 3)
            found = read(tmp_path / "some.jfr")
        finally:
            process.kill()
    assert found.samples > 0
    assert sum(found.packages.values()) == pytest.approx(1)
    assert sum(found.methods.values()) == pytest.approx(1)
    assert found.compiling > 0


def ask(address: str, *, until: float, once: bool = False) -> None:
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(address, timeout=5).read()
        except OSError:
            time.sleep(0.1)
        else:
            if once:
                return


@pytest.mark.parametrize(("written", "seconds"), [("4.51 ms", 0.00451), ("3.27 s", 3.27), ("1 m 15 s", 75), ("5 h 0 m", 18000)])
def test_lengths_of_time_are_read_as_java_writes_them(written, seconds):
    assert _seconds("duration", f"{PAUSE} {{\n  duration = {written}\n  gcId = 2\n}}") == pytest.approx(seconds)


def test_a_process_that_is_gone_is_said(tmp_path):
    with pytest.raises(RuntimeError, match="jcmd ended with"), recorded(2**22 - 1, tmp_path / "none.jfr"):
        pass


@pytest.mark.parametrize(
    ("stack", "package"),
    [
        (["java.util.zip.CRC32.update", "org.apache.kafka.common.utils.Checksums.update"], "org.apache.kafka.common"),
        (["com.github.luben.zstd.ZstdOutputStream.write"], "com.github.luben"),
        (["java.lang.Thread.run", "java.lang.Object.wait"], "java.lang"),
    ],
)
def test_a_sample_is_put_down_to_the_first_frame_that_is_not_javas_own(stack, package):
    assert _package(stack) == package
