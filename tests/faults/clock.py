"""A wrong clock: libfaketime stands between a process, with all its libraries, and the kernel's clock."""

import platform
import sys
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

IS_AVAILABLE = (sys.platform, platform.machine()) == ("linux", "x86_64")
WHY_NOT = "the library that shows a process another time is built for Linux on x86-64 only"


def environment(by: timedelta) -> dict[str, str]:
    """What the environment of a process must hold, so that its clock goes wrong by this much; how long things take stays."""
    found = find_spec("libfaketime")
    assert found and found.submodule_search_locations, "libfaketime is not installed; run make install"
    library = Path(found.submodule_search_locations[0]) / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    assert library.is_file(), "libfaketime came without its library: every clock would be right, and nothing shown"
    # Java waits by the monotonic clock; the library's remedy for old systems would make each of its waits last for seconds.
    waits = {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0"}
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{by.total_seconds():+.0f}", **waits}
