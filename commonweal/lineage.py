"""Which releases may be joined: those that agree on every source they were made from, and whose pseudonyms are of one key."""

from collections.abc import Iterator, Mapping, Sequence

from commonweal.lake.releases import Release

KEY_EPOCH = "key epoch"


def agreeing(kept: Mapping[str, Sequence[Release]]) -> dict[str, Release] | None:
    """One release of each dataset, the newest such that all agree.

    They agree when no source stands in two of them in different states, and no person under two pseudonyms.

    Args:
        kept: By dataset its kept releases, newest first.

    Returns:
        By dataset the chosen release, or None when no choice agrees.
    """
    return next(_choices(sorted(kept), kept, {}, {}), None)


def transitive(chosen: Mapping[str, Release]) -> dict[str, int]:
    """By dataset the number of every release that the chosen ones are or were made from."""
    reached: dict[str, int] = {}
    for made in chosen.values():
        reached |= {**made.inputs, made.dataset: made.number}
    return dict(sorted(reached.items()))


def _choices(
    datasets: list[str], kept: Mapping[str, Sequence[Release]], chosen: dict[str, Release], fixed: dict[str, int]
) -> Iterator[dict[str, Release]]:
    if not datasets:
        yield chosen
        return
    dataset, *others = datasets
    for made in kept[dataset]:
        reached = _stands_on(made)
        if all(fixed.get(name, number) == number for name, number in reached.items()):
            yield from _choices(others, kept, {**chosen, dataset: made}, fixed | reached)


def _stands_on(made: Release) -> dict[str, int]:
    """By dataset the release's number, itself and what it was made from; and the epoch of its pseudonyms, which is no dataset."""
    epoch = {} if made.key_epoch is None else {KEY_EPOCH: made.key_epoch}
    return {**made.inputs, made.dataset: made.number, **epoch}
