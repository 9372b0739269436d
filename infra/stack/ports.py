"""Ports of a stack: free ones by default, chosen once and kept, so that a restart keeps every address."""

import json
import random
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from commonweal.errors import ConfigError
from infra.stack.profiles import LOCAL, Profile

LOWEST, HIGHEST = 15000, 29999
"""Below the range that the kernel gives to outgoing connections, so that a kept port is not taken while the stack is down."""


def choose_ports(path: Path, wanted: Mapping[str, int], profile: Profile = LOCAL) -> dict[str, int]:
    """The ports of a stack of that profile: those wanted, else those kept in ``path``, else free ones; kept from now on.

    Raises:
        ConfigError: A wanted port has an unknown name.
    """
    unknown = sorted(set(wanted) - set(profile.ports))
    if unknown:
        raise ConfigError(f"--port: no service is called {', '.join(unknown)}; choose from {', '.join(profile.ports)}")
    ports = {name: port for name, port in kept_ports(path).items() if name in profile.ports} | dict(wanted)
    for name in profile.ports:
        if name not in ports:
            ports[name] = _free_port(set(ports.values()))
    path.write_text(json.dumps(ports, indent=1))
    return ports


def kept_ports(path: Path) -> dict[str, int]:
    """The ports chosen at an earlier start; empty when there was none."""
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def is_free(port: int) -> bool:
    """Whether nobody listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def still_taken(ports: Mapping[str, int], patience: float = 5) -> dict[str, int]:
    """Which ports somebody listens on, still after ``patience`` seconds.

    A process that was just killed can no longer be found, and still listens for a moment: its memory goes before its sockets.
    """
    deadline = time.monotonic() + patience
    while (found := {name: port for name, port in ports.items() if not is_free(port)}) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _free_port(taken: set[int]) -> int:
    for port in random.sample(range(LOWEST, HIGHEST + 1), 500):
        if port not in taken and is_free(port):
            return port
    raise ConfigError(f"no free port between {LOWEST} and {HIGHEST}; name free ones with --port SERVICE=PORT")
