"""One line of the doctor's table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: What was looked at.
        found: What is there.
        cure: What to do about it; empty when nothing is wrong.
    """

    check: str
    found: str
    cure: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether something must be done."""
        return bool(self.cure)
