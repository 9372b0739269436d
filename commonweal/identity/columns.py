"""Resident ids by the column: which are certainly right, found for all rows at once. All others are judged one by one."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from commonweal.identity.identifiers import BIRTH_YEARS, LENGTH

# GB 11643-1999 (ISO 7064, MOD 11-2): the weights of the 17 digits, and by their sum's remainder the character that follows.
_WEIGHTS = np.array([2**place % 11 for place in range(LENGTH - 1, 0, -1)])
_CHECKS = np.frombuffer(b"10X98765432", np.uint8)
_ZERO = ord("0")


def are_resident_ids(texts: pa.StringArray, days: pa.Date32Array) -> npt.NDArray[np.bool_]:
    """By row, whether ``check`` finds nothing wrong with a text that is in normal form; false where there is none.

    Args:
        texts: As they came; what ``normalise`` would change is no id here.
        days: On which each was seen: nobody is born after it.
    """
    found = np.zeros(len(texts), np.bool_)
    rows = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(pc.binary_length(texts), LENGTH), False)))
    characters = np.frombuffer(texts.take(pa.array(rows)).buffers()[2] or b"", np.uint8)[: LENGTH * len(rows)]
    characters = characters.reshape(-1, LENGTH)
    digits = characters[:, :-1].astype(np.int64) - _ZERO
    is_number = ((digits >= 0) & (digits <= 9)).all(axis=1)
    is_right = characters[:, -1] == _CHECKS[digits @ _WEIGHTS % len(_CHECKS)]
    found[rows] = is_number & is_right & _are_births(digits[:, 6:14], np.asarray(days)[rows])
    return found


def _are_births(digits: npt.NDArray[np.int64], days: npt.NDArray[np.datetime64]) -> npt.NDArray[np.bool_]:
    """Whether eight digits are a day of the calendar, in years of births, and not after a day."""
    year, month, day = digits[:, :4] @ [1000, 100, 10, 1], digits[:, 4:6] @ [10, 1], digits[:, 6:] @ [10, 1]
    is_month = (month >= 1) & (month <= 12)
    months = ((year - 1970) * 12 + month - 1).astype("M8[M]")
    born = months.astype("M8[D]") + (day - 1).astype("m8[D]")
    is_day = born.astype("M8[M]") == months
    found: npt.NDArray[np.bool_] = is_month & is_day & (year >= BIRTH_YEARS[0]) & (year <= BIRTH_YEARS[1]) & (born <= days)
    return found
