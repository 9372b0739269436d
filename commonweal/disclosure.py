"""What a reader could work out about hidden cells of a published table, and which further cells must be hidden.

A table is a grid of inner cells and of margins, each margin the sum of a slice of inner cells. A reader knows every visible
number and that counts are not negative; the values that a hidden cell may then still have are an interval, whose ends are two
linear programmes. A hidden cell is *exposed* when that interval is too narrow. After Cox (1980), "Suppression methodology and
statistical disclosure control", JASA 75, and the audit of Hundepool et al. (2012), "Statistical Disclosure Control", ch. 4.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, linprog
from scipy.sparse import csr_array, eye_array, hstack

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
TOLERANCE = 1e-6
GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Family:
    """A published cell and the published cells that add up to it, by their rows in the grid."""

    total: int
    members: tuple[int, ...]


@dataclass(frozen=True)
class Grid:
    """One period's table.

    Attributes:
        slices: One row per published cell, one column per inner cell: 1 where the published cell counts the inner cell. The
            first rows are the inner cells themselves, in the order of the columns.
        families: Which published cells add up to which.
        parts: One row per inner cell, one column per part; the parts of a cell are disjoint and add up to its count.
        threshold: A part with fewer than this many is small.
    """

    slices: csr_array
    families: tuple[Family, ...]
    parts: Floats
    threshold: int

    @cached_property
    def published(self) -> Floats:
        """Parts of every published cell, margins included."""
        return np.asarray(self.slices @ self.parts)

    @property
    def small(self) -> Mask:
        """Published cells of which a part is small; zero is small."""
        return np.asarray((self.published < self.threshold).any(axis=1))


def protect(grid: Grid) -> Mask:
    """Hide the small cells and as many others as it takes until none is exposed.

    Returns:
        True for each published cell that must be hidden.
    """
    hidden = grid.small
    while _mend_families(grid, hidden):
        pass
    audits = [Audit(grid, part) for part in range(grid.parts.shape[1])]
    open_parts = [(audit.part, cells) for audit in audits if (cells := audit.exposed(hidden)).size]
    while open_parts:
        for part, cells in open_parts:
            _hide_more(grid, hidden, part, cells)
        open_parts = [(audit.part, cells) for audit in audits if (cells := audit.exposed(hidden)).size]
    return hidden


def is_safe(grid: Grid, hidden: Mask) -> bool:
    """True if every small cell is hidden and no hidden cell is exposed."""
    complete = not bool((grid.small & ~hidden).any())
    return complete and not any(Audit(grid, part).exposed(hidden).size for part in range(grid.parts.shape[1]))


def _mend_families(grid: Grid, hidden: Mask) -> bool:
    """Hide one more cell in each family that gives itself away without any other; cheap, and saves most of the solving."""
    weak = [family for family in grid.families if _is_weak(grid, hidden, family) and not _is_dark(family, hidden)]
    for family in weak:
        _hide_one(grid, hidden, family)
    return bool(weak)


def _is_weak(grid: Grid, hidden: Mask, family: Family) -> bool:
    """One hidden cell is what the others leave; and hidden cells that share less than the threshold are small for sure."""
    members = [row for row in family.members if hidden[row]]
    if hidden[family.total]:
        return not members
    short = grid.published[members].sum(axis=0) < grid.threshold - 1
    return len(members) == 1 or (len(members) > 1 and bool(short.any()))


def _hide_more(grid: Grid, hidden: Mask, part: int, cells: NDArray[np.intp]) -> None:
    """Hide one more cell in the tightest family of each exposed cell, but only one a family before the next audit."""
    counts = grid.published[:, part]
    mended: set[Family] = set()
    for cell in cells:
        family = _tightest(grid, hidden, counts, int(cell))
        if family is not None and family not in mended:
            _hide_one(grid, hidden, family)
            mended.add(family)


def _hide_one(grid: Grid, hidden: Mask, family: Family) -> None:
    """Hide the smallest visible member, else the total."""
    totals = grid.published.sum(axis=1)
    visible = [row for row in family.members if not hidden[row]]
    hidden[min(visible, key=lambda row: (totals[row], row), default=family.total)] = True


def _tightest(grid: Grid, hidden: Mask, counts: Floats, cell: int) -> Family | None:
    """The family that leaves least to its hidden members, of those that still show something: around ``cell``, if any."""
    lit = [family for family in grid.families if not _is_dark(family, hidden)]
    return min(
        [family for family in lit if _concerns(family, cell)] or lit,
        key=lambda family: (sum(counts[row] for row in family.members if hidden[row]), family.total),
        default=None,
    )


def _concerns(family: Family, cell: int) -> bool:
    return cell == family.total or cell in family.members


def _is_dark(family: Family, hidden: Mask) -> bool:
    return bool(hidden[family.total] and hidden[list(family.members)].all())


class Audit:
    """The interval of every published cell in one part, widened by each feasible table that a solver finds.

    Whatever is feasible stays so when more cells are hidden, so an audit is kept from round to round.
    """

    def __init__(self, grid: Grid, part: int) -> None:
        self.part = part
        self.slices, self.values, self.width = grid.slices, grid.parts[:, part], grid.threshold - 1
        self.truth = grid.published[:, part]
        self.low, self.high = self.truth.copy(), self.truth.copy()
        self.small = self.truth < grid.threshold

    def exposed(self, hidden: Mask) -> NDArray[np.intp]:
        """Hidden cells whose interval stays too narrow however one solves for it.

        A small cell must seem to be anything from 0 to ``threshold - 1``; a larger one must stay uncertain by as much.
        """
        self._fix(hidden)
        while self._widen(hidden):
            pass
        for cell in np.flatnonzero(hidden & ~self.safe):
            goal = np.asarray(self.free[[cell], :].toarray()).ravel()
            self._see(self._solve(goal))
            if np.isfinite(self.high[cell]):
                self._see(self._solve(-goal))
        return np.flatnonzero(hidden & ~self.safe)

    @property
    def safe(self) -> Mask:
        """Cells whose interval is wide enough."""
        covers = (self.low <= TOLERANCE) & (self.high >= self.width - TOLERANCE)
        return np.where(self.small, covers, self.high - self.low >= self.width - TOLERANCE)

    def _fix(self, hidden: Mask) -> None:
        """Set up the equations that a reader can write down; an inner cell in none of them can be as large as one likes."""
        self.inner = hidden[: self.values.size]
        self.free = csr_array(self.slices[:, np.flatnonzero(self.inner)])
        shown = np.flatnonzero(~hidden & (np.asarray(self.free.sum(axis=1)).ravel() > 0))
        self.known = csr_array(self.free[shown, :])
        self.rest = np.asarray(self.known @ self.values[self.inner])
        self.alike = np.unique(self.known.toarray(), axis=1, return_inverse=True)[1].ravel()
        loose = np.asarray(self.known.sum(axis=0)).ravel() == 0
        self.high[np.asarray(self.free @ loose.astype(float)) > 0] = np.inf
        self._see(np.where(loose, 0.0, self.values[self.inner]))

    def _widen(self, hidden: Mask) -> bool:
        """Solve for as many unproven cells at once as possible; False when that brought nothing new."""
        before = int(self.safe.sum())
        lower = hidden & ~self.safe & (self.low > TOLERANCE)
        if lower.any():
            self._see(self._solve(np.asarray(lower.astype(float) @ self.free)))
        if (hidden & ~self.safe).any():
            self._see(self._lift(self._one_of_a_kind(hidden & ~self.safe)))
        return int(self.safe.sum()) > before

    def _one_of_a_kind(self, wanted: Mask) -> Mask:
        """Of inner cells that stand in the same equations, the first wanted one."""
        found = wanted.copy()
        rows = np.flatnonzero(self.inner)
        unproven = wanted[rows]
        found[rows] = False
        found[rows[unproven][np.unique(self.alike[unproven], return_index=True)[1]]] = True
        return found

    def _lift(self, wanted: Mask) -> Floats:
        """A feasible table in which as many of the ``wanted`` cells as possible reach their threshold, or grow by it."""
        goals = csr_array(self.free[np.flatnonzero(wanted), :])
        own = np.asarray(goals @ self.values[self.inner])
        cap = np.where(self.small, self.width, self.high + self.width)[wanted] - self.truth[wanted] + own
        above = hstack([-goals, eye_array(goals.shape[0])], format="csr")
        cost = np.concatenate([np.zeros(goals.shape[1]), -_weights(goals.shape[0])])
        known = hstack([self.known, csr_array((self.known.shape[0], goals.shape[0]))], format="csr")
        bounds = [(0.0, None)] * goals.shape[1] + [(0.0, float(top)) for top in cap]
        found = linprog(cost, A_ub=above, b_ub=np.zeros(goals.shape[0]), A_eq=known, b_eq=self.rest, bounds=bounds)
        return _solution(found)[: goals.shape[1]]

    def _solve(self, cost: Floats) -> Floats:
        return _solution(linprog(cost, A_eq=self.known, b_eq=self.rest, bounds=(0.0, None)))

    def _see(self, table: Floats) -> None:
        """Take note of one feasible table; inner cells that stand in the same equations could change places in it."""
        if not table.size:
            return
        full = self.values.copy()
        full[self.inner] = table
        seen = np.asarray(self.slices @ full)
        self.low, self.high = np.minimum(self.low, seen), np.maximum(self.high, seen)
        least, most = np.full(table.size, np.inf), np.full(table.size, -np.inf)
        np.minimum.at(least, self.alike, table)
        np.maximum.at(most, self.alike, table)
        rows = np.flatnonzero(self.inner)
        self.low[rows] = np.minimum(self.low[rows], least[self.alike])
        self.high[rows] = np.maximum(self.high[rows], most[self.alike])


def _weights(count: int) -> Floats:
    """Weights between 1 and 2, all different, so that a solver lifts some cells wholly rather than all of them a little."""
    return np.asarray(1.0 + np.arange(count) * GOLDEN % 1.0)


def _solution(found: OptimizeResult) -> Floats:
    """The table that was found; an empty one, which proves nothing, when the solver gave up."""
    return np.asarray(found.x) if found.status == 0 else np.zeros(0)
