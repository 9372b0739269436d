"""The platform's own long-running programs."""

import sys

from infra.stack.layout import Layout
from infra.stack.program import Launch


def launch_watch(_layout: Layout) -> Launch:
    """``watch`` starts a dataset's run when events have come."""
    return Launch((sys.executable, "-m", "streams.watch"))


def launch_announce(_layout: Layout) -> Launch:
    """``announce`` writes releases to Kafka."""
    return Launch((sys.executable, "-m", "streams.announce"))
