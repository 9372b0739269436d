"""What is wrong with a contract: one finding per problem, and one error that carries them all."""

from collections.abc import Sequence
from dataclasses import dataclass

from commonweal.errors import ContractError


@dataclass(frozen=True, order=True)
class Finding:
    """One problem of one contract file.

    Attributes:
        file: Path of the file under the schemas folder (``hotline/service_request.yaml``); of a transform, from ``jobs/`` on.
        path: Place inside the file (``schema.0.properties.2.name``), empty for the whole file.
        rule: Stable name of the rule that was broken (``yaml_duplicate_key``).
        cure: What is wrong and what to do about it.
    """

    file: str
    path: str
    rule: str
    cure: str

    def __str__(self) -> str:
        """One line: place, rule, cure."""
        place = f"{self.file}: {self.path}" if self.path else self.file
        return f"{place}: [{self.rule}] {self.cure}"


def refuse(findings: Sequence[Finding]) -> None:
    """Raise one error that lists every finding; do nothing when there is none.

    Raises:
        ContractError: There is at least one finding.
    """
    if findings:
        lines = "\n".join(f"  {finding}" for finding in sorted(findings))
        files = len({finding.file for finding in findings})
        raise ContractError(f"{len(findings)} problem(s) in {files} contract file(s), correct each and lint again:\n{lines}")
