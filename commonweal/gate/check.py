"""How one check of the verdict is made: its sentence and its cure come with it."""

from commonweal.contract.model import Text
from commonweal.gate.model import Check
from commonweal.gate.wording import percent, worded

NOTHING = Text(en="", zh="")


def none_of(name: str, count: int) -> Check:
    """A check that succeeds when nothing was counted."""
    return check(name, count == 0, count)


def check(name: str, success: bool, count: int, **values: Text | str | int) -> Check:
    """A check that refuses when it does not succeed."""
    values = {"count": count, **values}
    cure = NOTHING if success else worded(name, "cure", **values)
    return Check(name, "fail", success, count, None, worded(name, "sentence", **values), cure)


def warned_of(name: str, count: int) -> Check:
    """A check that warns, and never refuses, when something was counted."""
    cure = worded(name, "cure", count=count) if count else NOTHING
    return Check(name, "warn", count == 0, count, None, worded(name, "sentence", count=count), cure)


def bounded(name: str, count: int, share: float, most: float) -> Check:
    """A check that a share is at most a limit; a share that is no number refuses."""
    values: dict[str, Text | str | int] = {"count": count, "share": percent(share), "limit": percent(most)}
    success = 0 <= share <= most
    cure = NOTHING if success else worded(name, "cure", **values)
    return Check(name, "fail", success, count, share, worded(name, "sentence", **values), cure)


def is_count(value: object) -> bool:
    """True for a whole number, not negative; a NaN, a fraction and a truth value are none."""
    return type(value) is int and value >= 0


def share_of(part: int, whole: int) -> float:
    """The share; the whole when there is something of nothing, so that it can't slip through."""
    if whole == 0:
        return 1.0 if part else 0.0
    return part / whole
