"""Payments of social assistance that a person should check, each with the rule it rests on and both record numbers.

Grain: one row per rule and pair of records. A finding is a fact for a person to check, never a decision.
Units: whole calendar months, yuan.
Source: ``schemas/data_bureau/benefit_integrity.yaml``.

Where the registers leave room, the reading with fewer findings is taken: calling an entitled person not entitled is the worse
error. A month counts only if the case was in force on its first day, was not suspended, and had been paid to its end; the month
of death never counts, nor the month in which one programme follows another, nor what was paid before a case passed to its person,
as to an applicant's widow.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

RECURRING = ("subsistence_allowance", "extreme_hardship")
"""Programmes paid month by month. Temporary assistance is paid once, and may go with either of them: it makes no finding."""

AFTER_DEATH = "payment_after_death"
AFTER_DEATH_SOURCE = (
    "Interim Measures for Social Assistance (State Council Decree 649, 2014, as amended 2019), arts. 13 and 18: assistance is "
    "changed or stopped when the recipient's circumstances change; month by month after the month of death"
)

OVERLAPPING = "overlapping_assistance"
OVERLAPPING_SOURCE = (
    "State Council opinion Guofa (2016) No. 14 on support for people in extreme hardship: who is taken into it no longer comes "
    "under the subsistence allowance"
)

UNSEEN = "C"
"""Both sources are cited from memory; their texts were not seen. A department that has them raises this to A."""


def transform(*, assistance_case: DataFrame, assistance_case_history: DataFrame, household_registration: DataFrame) -> DataFrame:
    """Find months paid after death, and months paid under two programmes that exclude each other.

    Args:
        assistance_case: One row per case; ``case_no`` is unique.
        assistance_case_history: One row per state of a case and the period in which it held; periods of a case don't overlap.
        household_registration: One row per entry of the register; ``registration_no`` is unique, a person may have several.

    Returns:
        One row per finding; ``finding_no`` is the same in every release, as long as rule and records are.
    """
    months = _paid_months(assistance_case, assistance_case_history)
    return _after_death(months, household_registration).unionByName(_overlapping(months))


def _paid_months(cases: DataFrame, history: DataFrame) -> DataFrame:
    """One row per case and month paid in full, with the amount of the person's state in force on the month's first day."""
    paid = cases.where(F.col("programme_code").isin(*RECURRING)).select(
        "case_no", "person_key", "programme_code", F.explode(_months("opened_on", "paid_through_on")).alias("month")
    )
    states = history.where("status_code <> 'suspended'").select(
        F.col("case_no").alias("state_of"), F.col("person_key").alias("held_by"), "monthly_amount_cny",
        F.to_date("_valid_from").alias("state_from"), F.to_date("_valid_to").alias("state_to"),
    )  # fmt: skip
    in_force = (
        (F.col("case_no") == F.col("state_of"))
        & (F.col("person_key") == F.col("held_by"))
        & (F.col("state_from") <= F.col("month"))
        & (F.col("state_to").isNull() | (F.col("month") < F.col("state_to")))
    )
    # Right side unique: the periods of one case don't overlap, so a month has at most one state.
    return paid.join(states, on=in_force, how="inner").drop("state_of", "held_by", "state_from", "state_to")


def _months(first: str, last: str) -> Column:
    """First days of the months that begin on or after ``first`` and are over by ``last``; missing if there is none."""
    begin = F.when(F.trunc(first, "month") == F.col(first), F.col(first)).otherwise(F.add_months(F.trunc(first, "month"), 1))
    end = F.trunc(F.add_months(F.trunc(F.date_add(last, 1), "month"), -1), "month")
    return F.when(begin <= end, F.sequence(begin, end, F.expr("INTERVAL 1 MONTH")))


def _after_death(months: DataFrame, registration: DataFrame) -> DataFrame:
    # Right side unique: one death a person.
    paid = months.join(_deaths(registration), on="person_key", how="inner").where("month > last_day(died_on)")
    return _findings(paid, AFTER_DEATH, AFTER_DEATH_SOURCE)


def _deaths(registration: DataFrame) -> DataFrame:
    """One row per person whom the register calls dead and does not also call alive at a later day.

    A death without its day happened at the latest when it was entered. Of several entries the latest day counts.
    """
    entered = F.col("registration_event_code") == "death"
    day = F.when(entered, F.coalesce("died_on", "changed_on"))
    people = registration.groupBy("person_key").agg(
        F.max(day).alias("died_on"),
        F.max_by(F.when(entered, F.col("registration_no")), F.when(entered, F.struct(day.alias("day"), "registration_no"))).alias(
            "other_record_no"
        ),
        F.max(F.when(F.col("registration_event_code").isin("register", "move_in"), F.col("changed_on"))).alias("alive_on"),
    )
    alive_later = F.coalesce(F.col("alive_on") > F.col("died_on"), F.lit(False))
    return people.where(F.col("died_on").isNotNull() & ~alive_later).select("person_key", "died_on", "other_record_no")


def _overlapping(months: DataFrame) -> DataFrame:
    allowance = months.where("programme_code = 'subsistence_allowance'")
    hardship = months.where("programme_code = 'extreme_hardship'").select(
        "person_key", "month", F.col("case_no").alias("other_record_no")
    )
    # Neither side is unique: a person may have several cases of a programme, and each pair is a finding of its own.
    paid = allowance.join(hardship, on=["person_key", "month"], how="inner")
    return _findings(paid, OVERLAPPING, OVERLAPPING_SOURCE)


def _findings(paid: DataFrame, rule: str, source: str) -> DataFrame:
    """One row per pair of records from one row per pair and month."""
    number = F.sha2(F.concat_ws("|", F.lit(rule), "case_no", "other_record_no"), 256)
    found = paid.groupBy("person_key", "case_no", "other_record_no").agg(
        F.min("month").alias("from_on"),
        F.last_day(F.max("month")).alias("to_on"),
        F.count(F.lit(1)).alias("months_count"),
        F.sum("monthly_amount_cny").cast("decimal(14,2)").alias("amount_cny"),
    )
    return found.select(
        F.substring(number, 1, 24).alias("finding_no"), F.lit(rule).alias("rule_code"), "person_key", "case_no",
        "other_record_no", "from_on", "to_on", "months_count", "amount_cny", F.lit(source).alias("rule_source"),
        F.lit(UNSEEN).alias("rule_certainty_code"),
    )  # fmt: skip
