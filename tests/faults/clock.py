"""A wrong clock, as far as the platform's own code sees one.

Only its modules are shown another time, not the libraries: gRPC takes some of its deadlines from Python and some from the
kernel, and would wait for ever between two clocks that no machine has.
"""

import sys
from datetime import datetime, timedelta, tzinfo


class _Kind(type):
    """A kind of ``datetime`` of which every datetime is one."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


def shift(by: timedelta) -> int:
    """Let every module of the platform that is loaded read a clock that is wrong; returns how many do."""

    class Wrong(datetime, metaclass=_Kind):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + by

    own = [module for name, module in sys.modules.items() if name.split(".")[0] in ("commonweal", "streams", "jobs")]
    readers = [module for module in own if getattr(module, "datetime", None) is datetime]
    for module in readers:
        module.datetime = Wrong  # type: ignore[attr-defined]
    assert readers, "no module reads a clock: this shows nothing"
    return len(readers)
