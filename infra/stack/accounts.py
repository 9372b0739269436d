"""Becoming another user of the operating system for good, where root may not be what a program runs as."""

import ctypes
import os
import pwd
from pathlib import Path

PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 8, 47, 2
CAPABILITY_VERSION_3 = 0x20080522
READ_SEARCH, OVERRIDE = 2, 1
"""CAP_DAC_READ_SEARCH suffices to pass through a folder; containers often hold CAP_DAC_OVERRIDE only."""


def closed_folders(*paths: Path) -> list[Path]:
    """The folders on the way to these paths that only their owner may pass through."""
    folders = {folder for path in paths for folder in (path, *path.parents) if folder.is_dir()}
    return sorted(folder for folder in folders if not folder.stat().st_mode & 0o001)


def drop_to(account: str, *, passing: bool = False) -> None:
    """Become the user, group and supplementary groups included.

    Args:
        account: The user's name.
        passing: Keep the one capability with which root's own folders can be passed through, as a checkout in root's home is
            in one. Nobody's permissions are changed for it.

    Raises:
        OSError: The kernel refuses.
    """
    entry = pwd.getpwnam(account)
    capability = _held_capability() if passing else None
    if capability is not None:
        _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if capability is not None:
        _keep_only(capability)


def _held_capability() -> int:
    status = Path("/proc/self/status").read_text()
    permitted = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapPrm:")), 16)
    held = [capability for capability in (READ_SEARCH, OVERRIDE) if permitted >> capability & 1]
    if not held:
        raise PermissionError("this container's root has no capability to pass through closed folders")
    return held[0]


def _keep_only(capability: int) -> None:
    """Set permitted, effective, inheritable and ambient capabilities to this one, so that it outlives exec."""
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, data):
        raise OSError(ctypes.get_errno(), "capset")
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, *arguments: int) -> None:
    words = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if ctypes.CDLL(None, use_errno=True).prctl(option, *words):
        raise OSError(ctypes.get_errno(), "prctl")
