"""Suppression of small cells in open data, applied to a product's rows after its transform.

A period is published once, when it is closed by the calendar and by the data, as a full grid: every cell and every total is
there, shown or hidden, so that an absent one says nothing. What was published stays as it was, row for row. On an announced day
of revision a period is worked out anew with the cells shown that were shown before; if that would not be safe any more, it stays
as it was.

What is hidden within one period is decided by :mod:`commonweal.disclosure`. No total over periods is published, so periods don't
tell on each other.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain, product
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from commonweal.contract.model import Suppression
from commonweal.disclosure import Family, Grid, Mask, is_safe, protect
from commonweal.errors import ContractError
from commonweal.periods import closing_day

TOTAL = "all"
"""What a dimension holds in a row that is a total over it."""
HIDDEN = "is_suppressed"
REVISION = "revision_count"

Row = dict[str, Any]
Cell = tuple[str, ...]
Level = tuple[bool, ...]
"""By dimension, whether cells are totals over it."""


def suppress(
    rows: pa.Table | list[Row], suppression: Suppression, *, published: pa.Table | None, closed_through: date
) -> pa.Table:
    """The rows that may be published: closed periods only, small cells hidden, and as many others as it takes.

    Args:
        rows: What the transform gave: cells and totals with their measures, nothing hidden.
        suppression: What the contract declares.
        published: The table as it was last released, None before the first release.
        closed_through: The day up to which everything is known to have arrived.

    Raises:
        ContractError: Rows, declaration and what was published don't belong together.
    """
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    _check_columns(table, suppression)
    fresh = _by_period(table.to_pylist(), suppression)
    frozen = _by_period(published.to_pylist() if published is not None else [], suppression)
    layout = _Layout.of(suppression, [*table.to_pylist(), *(published.to_pylist() if published is not None else [])])
    due = sum(day <= closed_through for day in suppression.revisions)
    through = min(closed_through, _reached(fresh, suppression))
    closed = [period for period in fresh if closing_day(period, suppression) <= through]
    found: list[Row] = []
    for period in sorted({*closed, *frozen}):
        found += _period(_Period(layout, suppression, period, fresh.get(period, {})), frozen.get(period), due)
    return pa.Table.from_pylist(found, schema=pa.schema([field.with_nullable(True) for field in table.schema]))


def _check_columns(table: pa.Table, suppression: Suppression) -> None:
    wanted = {*suppression.dimensions, suppression.period, suppression.count, *suppression.measures, HIDDEN, REVISION}
    missing = sorted(wanted - set(table.column_names))
    if missing:
        raise ContractError(f"suppression: the rows lack {', '.join(missing)}; let the transform give these columns")
    if len(suppression.numerators) > 1 or not {suppression.count, *suppression.numerators} <= set(suppression.measures):
        raise ContractError("suppression: name at most one numerator, and list it and the count among the measures")


def _by_period(rows: Iterable[Row], suppression: Suppression) -> dict[date, dict[Cell, Row]]:
    found: dict[date, dict[Cell, Row]] = {}
    repeated = 0
    for row in rows:
        cells = found.setdefault(row[suppression.period], {})
        cell = tuple(row[name] for name in suppression.dimensions)
        repeated += cell in cells
        cells[cell] = row
    if repeated:
        raise ContractError(
            f"suppression: {repeated} row(s) repeat a cell of {', '.join(suppression.dimensions)}; make cells unique"
        )
    return found


def _reached(fresh: Mapping[date, Mapping[Cell, Row]], suppression: Suppression) -> date:
    """The first day of the newest period that has begun in the data, whatever the calendar says.

    While a backlog is still arriving, the periods at its end are not complete; published now, they would stay wrong for good.
    """
    counts = {
        period: sum(row[suppression.count] for cell, row in cells.items() if TOTAL not in cell) for period, cells in fresh.items()
    }
    return max((period for period, count in counts.items() if count >= suppression.threshold), default=date.min)


@dataclass(frozen=True)
class _Layout:
    """Cells and margins of every period, inner cells first."""

    inner: tuple[Cell, ...]
    margins: tuple[Cell, ...]
    slices: csr_array
    families: tuple[Family, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every published cell."""
        return self.inner + self.margins

    @classmethod
    def of(cls, suppression: Suppression, rows: Iterable[Row]) -> "_Layout":
        values = [_values(suppression, name, {row[name] for row in rows}) for name in suppression.dimensions]
        declared = (tuple(name in margin for name in suppression.dimensions) for margin in ((), *suppression.margins))
        levels = tuple(dict.fromkeys(declared))
        inner, *margins = (_level(level, values) for level in levels)
        cells = tuple(chain(inner, *margins))
        row = {cell: number for number, cell in enumerate(cells)}
        counted = [(row[_over(level, cell)], place) for place, cell in enumerate(inner) for level in levels]
        places = np.array(counted, dtype=np.intp).reshape(-1, 2).T  # no cell at all, where nothing has arrived yet
        slices = csr_array((np.ones(len(counted)), places), shape=(len(cells), len(inner)))
        return cls(inner, cells[len(inner) :], slices, tuple(_families(cells)))


def _values(suppression: Suppression, name: str, seen: set[str]) -> list[str]:
    declared = suppression.values.get(name, ())
    strange = len(seen - {TOTAL} - set(declared)) if declared else 0
    if strange:
        raise ContractError(f"suppression: {strange} value(s) of {name} are not declared; add them to the contract or map them")
    return sorted(declared or seen - {TOTAL})


def _level(level: Level, values: list[list[str]]) -> tuple[Cell, ...]:
    """All cells of a level."""
    return tuple(product(*([TOTAL] if total else known for total, known in zip(level, values, strict=True))))


def _over(level: Level, cell: Cell) -> Cell:
    """The cell of a level that counts this one."""
    return tuple(TOTAL if total else value for total, value in zip(level, cell, strict=True))


def _families(cells: tuple[Cell, ...]) -> Iterator[Family]:
    """For each total, the published cells that add up to it, along each set of dimensions in which it can be taken apart."""
    levels: dict[Level, list[int]] = {}
    for row, cell in enumerate(cells):
        levels.setdefault(tuple(value == TOTAL for value in cell), []).append(row)
    for whole, rows in levels.items():
        finer = [level for level in levels if _splits(whole, level)]
        parts = [_adding_up(cells, whole, levels[level]) for level in finer]
        yield from (Family(row, tuple(found[cells[row]])) for row in rows for found in parts)


def _splits(whole: Level, level: Level) -> bool:
    """Whether cells of one level add up to those of another, which is less fine."""
    return whole != level and all(total or not part for total, part in zip(whole, level, strict=True))


def _adding_up(cells: tuple[Cell, ...], whole: Level, rows: list[int]) -> Mapping[Cell, list[int]]:
    """By total, the rows that add up to it."""
    found: dict[Cell, list[int]] = {}
    for row in rows:
        found.setdefault(_over(whole, cells[row]), []).append(row)
    return found


@dataclass(frozen=True)
class _Period:
    """What is to be published about one period."""

    layout: _Layout
    suppression: Suppression
    period: date
    rows: Mapping[Cell, Row]

    def grid(self) -> Grid:
        """The period's counts in disjoint parts: those in the numerator and those that are not, or the count alone."""
        counts = np.array([self._parts(cell) for cell in self.layout.inner])
        grid = Grid(self.layout.slices, self.layout.families, counts, self.suppression.threshold)
        given = np.array([self._parts(cell) for cell in self.layout.cells])
        wrong = int((given != grid.published).any(axis=1).sum())
        if wrong:
            raise ContractError(f"suppression: {wrong} total(s) of a period are not the sum of their cells; mend the transform")
        return grid

    def _parts(self, cell: Cell) -> list[float]:
        row = self.rows.get(cell, {})
        total = row.get(self.suppression.count) or 0
        parts = [row.get(name) or 0 for name in self.suppression.numerators]
        return [*parts, total - sum(parts)]

    def publish(self, hidden: Mask, revision: int) -> list[Row]:
        """Every cell of the grid, its measures left out where it is hidden."""
        return [self._row(cell, bool(hide), revision) for cell, hide in zip(self.layout.cells, hidden, strict=True)]

    def _row(self, cell: Cell, hide: bool, revision: int) -> Row:
        names = dict(zip(self.suppression.dimensions, cell, strict=True))
        own = dict.fromkeys(self.suppression.measures) if hide else self.rows[cell]
        return {**own, **names, self.suppression.period: self.period, HIDDEN: hide, REVISION: revision}


def _period(period: _Period, frozen: Mapping[Cell, Row] | None, due: int) -> list[Row]:
    """One closed period: new, as it was published, or revised if that is due and safe."""
    if frozen is None:
        return period.publish(protect(period.grid()), due)
    if set(frozen) != set(period.layout.cells):
        raise ContractError("suppression: what was published has other cells than the contract; a new grid needs a new dataset")
    if all(row[REVISION] >= due for row in frozen.values()):
        return list(frozen.values())
    hidden = np.array([frozen[cell][HIDDEN] for cell in period.layout.cells])
    if is_safe(period.grid(), hidden):
        return period.publish(hidden, due)
    return [{**row, REVISION: due} for row in frozen.values()]
