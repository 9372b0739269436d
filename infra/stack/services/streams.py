"""The platform's own long-running programs."""

import http.client
import sys

from infra.stack.layout import Layout
from infra.stack.program import Launch


def launch_watch(_layout: Layout) -> Launch:
    """``watch`` starts a dataset's run when events have come."""
    return Launch((sys.executable, "-m", "streams.watch"))


def is_watch_ready(layout: Layout) -> bool:
    """Whether its page of metrics answers; whether it can look at everything is what the page is for."""
    connection = http.client.HTTPConnection("127.0.0.1", layout.ports["metrics"], timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status in (200, 503)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def launch_announce(_layout: Layout) -> Launch:
    """``announce`` writes releases to Kafka."""
    return Launch((sys.executable, "-m", "streams.announce"))
