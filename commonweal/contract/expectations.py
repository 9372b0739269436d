"""The Great Expectations expectations that a contract may ask for, and nothing else.

An expectation is here only if it can be counted (its result has element and unexpected counts, or is about the table alone),
runs on Spark, takes no code or SQL, and needs no samples. ``per_row`` ones may be run on the rows that changed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Expectation:
    """One allowed expectation.

    Attributes:
        per_row: True when each row is judged alone.
        columns: Names of the arguments that hold one column.
        column_lists: Names of the arguments that hold a list of columns.
        options: Names of the other arguments that may be given.
    """

    per_row: bool
    columns: tuple[str, ...] = ()
    column_lists: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def _column(*options: str, per_row: bool = True) -> Expectation:
    return Expectation(per_row, ("column",), (), ("mostly", *options))


def _pair(*options: str) -> Expectation:
    return Expectation(True, ("column_A", "column_B"), (), ("mostly", "ignore_row_if", *options))


ALLOWED: dict[str, Expectation] = {
    "expect_column_values_to_not_be_null": _column(),
    "expect_column_values_to_be_null": _column(),
    "expect_column_values_to_be_in_set": _column("value_set"),
    "expect_column_values_to_not_be_in_set": _column("value_set"),
    "expect_column_values_to_match_regex": _column("regex"),
    "expect_column_values_to_not_match_regex": _column("regex"),
    "expect_column_values_to_be_between": _column("min_value", "max_value", "strict_min", "strict_max"),
    "expect_column_value_lengths_to_equal": _column("value"),
    "expect_column_value_lengths_to_be_between": _column("min_value", "max_value", "strict_min", "strict_max"),
    "expect_column_values_to_be_unique": _column(per_row=False),
    "expect_compound_columns_to_be_unique": Expectation(False, (), ("column_list",), ("mostly", "ignore_row_if")),
    "expect_column_pair_values_a_to_be_greater_than_b": _pair("or_equal"),
    "expect_column_pair_values_to_be_equal": _pair(),
    "expect_select_column_values_to_be_unique_within_record": Expectation(
        True, (), ("column_list",), ("mostly", "ignore_row_if")
    ),
    "expect_table_row_count_to_be_between": Expectation(False, (), (), ("min_value", "max_value")),
}
