"""What residents ask for, and how fast it is solved, by district, category and month.

Grain: one row per ``district_code``, ``category_code`` and ``month`` in which a request was taken; ``all`` is the total over
districts or categories. A month without a request has no row here; suppression, which follows, fills the grid.
Units: counts of requests, percent, days.
Source: ``schemas/data_bureau/community_issues.yaml``.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

WITHIN_DAYS = 30
"""A request counts as closed when it was closed within so many days: later closings never change a published month."""

DISTRICT = "^NYCC(0[1-9]|[1-4][0-9]|5[01])$"
"""The 51 districts. Whatever else the offices wrote, or left out, is ``unknown``: counted, and never guessed."""

CATEGORIES = {
    "housing": ("housing and buildings", "land use and zoning", "land use", "nycha", "displacement"),
    "transport": ("transportation", "for-hire-vehicles"),
    "money_and_work": (
        "finance", "economy/jobs", "consumer affairs", "consumer complaints", "civil service and labor", "pension forms", "scrie",
    ),
    "welfare_and_health": (
        "general welfare", "aging", "health", "covid-19", "education", "youth services", "veterans affairs", "hospitals",
        "mental health-disability-",
    ),
    "law_and_immigration": (
        "immigration", "legal services", "criminal justice", "justice system", "human and civil rights", "civil and human rights",
        "jury duty",
    ),
    "environment": ("sanitation", "parks", "environment", "utilities", "recovery and resiliency"),
    "safety": ("public safety", "quality of life", "fire and emergency manage", "nypd - new york police de"),
    "unknown": ("@getxlate.udf_code_genera", "please choose an issue...", "select one", "spam mail", ""),
}  # fmt: skip
"""The offices' categories by group; the groups are wide because narrow ones would nearly all have to be hidden."""


def transform(*, service_request: DataFrame) -> DataFrame:
    """Count requests, and how many were closed in time, in every cell and every total.

    Args:
        service_request: One row per request; ``case_no`` is unique.

    Returns:
        One row per cell and total. Nothing is hidden yet.
    """
    cells = [
        ["month", "district_code", "category_code"],
        ["month", "district_code"],
        ["month", "category_code"],
        ["month"],
    ]
    requests = service_request.select(
        F.trunc("opened_on", "month").alias("month"), _district().alias("district_code"), _category().alias("category_code"),
        _days().alias("days"),
    )  # fmt: skip
    totals = requests.groupingSets(cells, "month", "district_code", "category_code").agg(
        F.count(F.lit(1)).alias("requests_count"), F.count_if(_in_time()).alias("closed_count"),
        _median().alias("median_close_days"),
    )  # fmt: skip
    return totals.select(
        F.coalesce("district_code", F.lit("all")).alias("district_code"),
        F.coalesce("category_code", F.lit("all")).alias("category_code"),
        "month",
        "requests_count",
        "closed_count",
        _percent("closed_count", "requests_count").alias("closed_pct"),
        "median_close_days",
        F.lit(False).alias("is_suppressed"),
        F.lit(0).cast("bigint").alias("revision_count"),
    )


def _district() -> Column:
    return F.when(F.col("district_code").rlike(DISTRICT), F.col("district_code")).otherwise("unknown")


def _category() -> Column:
    written = F.lower(F.trim(F.coalesce("category", F.lit(""))))
    group: Column = F.lit("other")
    for code, names in CATEGORIES.items():
        group = F.when(written.isin(*names), code).otherwise(group)
    return group


def _days() -> Column:
    """Days to close; one more than counts when it took longer or the request is still open."""
    return F.least(F.coalesce(F.date_diff("closed_on", "opened_on"), F.lit(WITHIN_DAYS + 1)), F.lit(WITHIN_DAYS + 1))


def _in_time() -> Column:
    return F.col("days") <= WITHIN_DAYS


def _median() -> Column:
    """The day by which half of all requests were closed, open ones included; missing when that took longer than counts."""
    median = F.expr("percentile_disc(0.5) WITHIN GROUP (ORDER BY days)").cast("bigint")
    return F.when(median <= WITHIN_DAYS, median)


def _percent(part: str, whole: str) -> Column:
    return (F.col(part) * F.lit(100) / F.col(whole)).cast("decimal(5,2)")
