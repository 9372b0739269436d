"""A daemon of Python workers without workers ends itself; one with a worker stays."""

import os
import socket
import struct
import subprocess
import sys
import time

import psutil

SCRIPT = "from infra.stack.spark_daemon import main; main(idle=0.6, look=0.1)"


def start() -> tuple[subprocess.Popen[bytes], int]:
    environment = os.environ | {"PYTHON_WORKER_FACTORY_SECRET": "made-up", "SPARK_REUSE_WORKER": "1"}
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    assert process.stdout
    return process, struct.unpack("!i", process.stdout.read(4))[0]


def test_without_workers_it_ends() -> None:
    process, _ = start()
    with process:
        process.wait(20)


def test_with_a_worker_it_stays_until_that_is_gone() -> None:
    process, port = start()
    with process, socket.create_connection(("127.0.0.1", port)) as connection:
        worker = struct.unpack("!i", connection.recv(4))[0]
        assert psutil.Process(worker).ppid() == process.pid
        time.sleep(1.5)
        assert process.poll() is None
        psutil.Process(worker).kill()
        process.wait(20)
