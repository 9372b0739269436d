"""Checks on where rows and events went: the accounting, the joins, and what changed since the last release."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple

from commonweal.contract.model import Contract
from commonweal.gate.check import NOTHING, bounded, check, is_count, none_of, share_of, warned_of
from commonweal.gate.model import Accounting, Check, JoinCoverage, Since
from commonweal.gate.wording import percent, worded


def accounting_checks(accounting: Accounting | None, since: Since) -> Iterator[Check]:
    """Each equation from Kafka to the rows that people would read, by itself."""
    yield check("accounting_given", accounting is not None, 0)
    if accounting is None:
        return
    impossible = sum(not is_count(count) for count in astuple(accounting))
    yield none_of("accounting_plausible", impossible)
    if impossible:
        return
    a = accounting
    fates = a.live + a.superseded + a.duplicate + a.conflict + a.pending + a.withdrawn
    yield _equal("accounting_offsets", a.offsets_add_up, a.landed + a.gaps + a.expired - a.offsets)
    yield _equal("accounting_landed", a.landed_adds_up, a.accepted + a.rejected - a.landed)
    yield _equal("accounting_accepted", a.accepted_adds_up, fates - a.accepted)
    yield _equal("accounting_rejected", a.rejected_adds_up, a.open + a.repaired + a.dismissed - a.rejected)
    yield _equal("accounting_live", a.live == since.rows_after, a.live - since.rows_after)


def coverage_checks(contract: Contract, coverage: Sequence[JoinCoverage]) -> Iterator[Check]:
    """Each join that a product's contract declares, measured once."""
    declared, measured = Counter(join.input for join in contract.coverage), Counter(join.input for join in coverage)
    unmatched = (declared - measured) + (measured - declared)
    yield none_of("coverage_given", unmatched.total())
    impossible = [join for join in coverage if not _is_plausible(join)]
    yield none_of("coverage_plausible", len(impossible))
    yield from (_coverage(contract, join) for join in coverage if join not in impossible)


def change_checks(contract: Contract, since: Since) -> Iterator[Check]:
    """Rows and events since the last release, against the contract's limits; a first release has no change."""
    limits = contract.limits
    before, *others = astuple(since)
    impossible = sum(not is_count(count) for count in (before or 0, *others))
    yield none_of("since_plausible", impossible)
    if impossible:
        return
    rows = since.rows_after
    yield check("rows_minimum", rows >= limits.min_rows, rows, limit=limits.min_rows)
    if since.rows_before:
        change = abs(rows - since.rows_before)
        yield bounded("rows_change", change, change / since.rows_before, limits.max_rows_change)
    if contract.kind == "source":
        yield from _event_checks(contract, since)


def _event_checks(contract: Contract, since: Since) -> Iterator[Check]:
    limits, arrived = contract.limits, since.accepted + since.rejected_open
    gone, open_, aside = since.withdrawn, since.rejected_open, since.set_aside
    yield bounded("share_withdrawn", gone, share_of(gone, since.rows_after + gone), limits.max_share_withdrawn)
    yield bounded("share_rejected", open_, share_of(open_, arrived), limits.max_share_rejected)
    yield bounded("share_set_aside", aside, share_of(aside, since.accepted), limits.max_share_set_aside)
    yield warned_of("gaps", since.gaps)


def _coverage(contract: Contract, join: JoinCoverage) -> Check:
    least = contract.limits.min_join_coverage
    # A join that looked at nothing covers nothing, unless the contract expects that there may be no rows.
    share = join.matched / join.total if join.total else float(contract.limits.min_rows == 0)
    values: dict[str, str | int] = {"input": join.input, "count": join.matched, "total": join.total}
    values |= {"share": percent(share), "limit": percent(least)}
    success = share >= least
    cure = NOTHING if success else worded("coverage", "cure", **values)
    return Check(f"coverage:{join.input}", "fail", success, join.matched, share, worded("coverage", "sentence", **values), cure)


def _is_plausible(join: JoinCoverage) -> bool:
    return is_count(join.matched) and is_count(join.total) and join.matched <= join.total


def _equal(name: str, success: bool, difference: int) -> Check:
    return check(name, success, abs(difference))
