"""Transforms are pure: no session, I/O, UDF, collect, cache, clock, chance or hidden fault."""

import inspect
from pathlib import Path

import pytest

import jobs
from commonweal.contract.purity import ATTRIBUTES, NAMES, impurities

MODULES = sorted(path for path in Path(inspect.getfile(jobs)).parent.glob("*/*.py") if path.name != "__init__.py")
PURE = '''"""Words such as collect and cache may stand in a text."""
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

def transform(*, case: DataFrame) -> DataFrame:
    """Joins."""
    return case.join(case.groupBy("no").agg(F.count(F.lit(1))), on="no", how="left")
'''


def test_there_are_transforms() -> None:
    assert MODULES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_every_transform_is_pure(path: Path) -> None:
    assert impurities(path.read_text()) == ()


def test_a_pure_transform_passes() -> None:
    assert impurities(PURE) == ()


@pytest.mark.parametrize("name", sorted({name for names in ATTRIBUTES.values() for name in names}))
def test_each_forbidden_method_is_found(name: str) -> None:
    assert impurities(PURE.replace("return case.join", f"case.{name}()\n    return case.join"))


@pytest.mark.parametrize("name", sorted({name for names in NAMES.values() for name in names}))
def test_each_forbidden_name_is_found(name: str) -> None:
    assert impurities(PURE.replace("return case.join", f"{name}('x')\n    return case.join"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from pyspark.sql import DataFrame", "import os\nfrom pyspark.sql import DataFrame"),
        ("from pyspark.sql import DataFrame", "from datetime import datetime\nfrom pyspark.sql import DataFrame"),
        ("from pyspark.sql import functions as F", "from pyspark.sql.functions import udf"),
        ("from pyspark.sql import DataFrame", "from pyspark.sql import DataFrame, SparkSession"),
        (', how="left"', ""),
        ("(*, case: DataFrame)", "(case: DataFrame)"),
        ("(*, case: DataFrame)", "(*, case: DataFrame, **more: DataFrame)"),
        ("def transform", "def other() -> None: ...\n\ndef transform"),
        ("def transform", "def convert"),
        ('on="no"', 'on=F.expr("no = current_date()")'),
        ('on="no"', 'on=F.expr("no < current_timestamp")'),
        ('on="no"', 'on=F.expr("no = uuid()")'),
        ("def transform", "F.col('x')\n\ndef transform"),
    ],
)
def test_each_other_impurity_is_found(old: str, new: str) -> None:
    assert PURE.replace(old, new) != PURE
    assert impurities(PURE.replace(old, new))
