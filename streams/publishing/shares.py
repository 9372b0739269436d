"""Checks an export into a spool: a small one in this process, a large one in several, each of which takes its blocks of rows."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from commonweal.contract.model import Contract
from commonweal.errors import TransientError
from streams.publishing.checking import Checker, Tally
from streams.publishing.event import Origin
from streams.publishing.exports import Export, Share, block_of, rows
from streams.publishing.processes import said, started
from streams.publishing.spool import Spool, Writer


class Standard(NamedTuple):
    """What rows are checked against, and when."""

    contract: Contract
    origin: Origin
    seen_at: datetime


def check(export: Export, standard: Standard, spool: Spool, progress: Callable[[int], None]) -> Tally:
    """Check every row: what passes waits in the spool as an event, and beside it what doesn't.

    Args:
        export: The rows.
        standard: What they are checked against.
        spool: With more than one writer each works in a process of its own.
        progress: Told how many rows more were checked.

    Raises:
        ContractError: The export is damaged.
        TransientError: A process that was checking ended; nothing was sent.
    """
    count = len(spool.writers)
    if count == 1:
        tally, _ = check_share(export, Share(), standard, spool.writers[0], progress)
        return tally
    shares = ((export, Share(number, count), standard, writer) for number, writer in enumerate(spool.writers))
    whole = Tally()
    with started(check_share, shares) as channels:
        writers = dict(zip(channels, spool.writers, strict=True))
        for channel, heard in said(channels):
            if heard is None:
                raise TransientError(
                    f"{standard.contract.id}: a process that checked rows ended; nothing was sent, publish again"
                )
            if isinstance(heard, int):
                progress(heard)
            else:
                tally, counts = heard
                whole += tally
                writers[channel].take(counts)
    return whole


def check_share(
    export: Export, share: Share, standard: Standard, writer: Writer, progress: Callable[[int], None]
) -> tuple[Tally, tuple[int, ...]]:
    """Check the rows of one share.

    Returns:
        What was counted, and how many lines the writer's piles have.
    """
    checker, tally, block = Checker(*standard), Tally(), share.number
    for row in rows(export, share):
        if block_of(row.number) != block:
            writer.end_block()
            block = block_of(row.number)
        event, reasons = checker.check(row)
        tally.rows += 1
        if reasons:
            tally.bad += 1
            tally.reasons.update(reasons)
            writer.reject(row, reasons)
        else:
            writer.add(event)
        progress(1)
    writer.end_block()
    writer.flush()
    return tally, writer.counts()
