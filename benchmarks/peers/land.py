"""The peers of landing: Spark reads the same records, parses them with ``from_json`` and appends them to an Iceberg table.

Nothing is checked, pseudonymised, sealed or counted, and what can't be parsed is null. As one batch, the range of offsets is
given; as a Structured Streaming query, it begins there and ends with what stands in the topic (``availableNow``).
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from commonweal import bus
from commonweal.contract.loader import load_contract
from commonweal.lake.spark import session
from commonweal.render.lake_schema import PLACE_COLUMNS, ddl, fields_schema
from commonweal.settings import Settings, load_settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PLACES = dict(zip(PLACE_COLUMNS, ("topic", "partition", "offset"), strict=True))
DECODED = "from_json(cast(value as string), '{schema}') as document"


def main(how: str, dataset: str, table: str, start: str, end: str, checkpoint: str) -> None:  # noqa: PLR0913 - a command line
    """Land from ``start`` (JSON, offsets by topic and partition): ``batch`` up to ``end``, or ``stream``."""
    settings = load_settings()
    spark, contract = session(settings), load_contract(settings.schemas_dir, dataset)
    schema = fields_schema(contract)
    decoded = DECODED.format(schema=ddl(schema))
    columns = [f"{theirs} as {ours}" for ours, theirs in PLACES.items()]
    records = _records(spark, settings, contract.topic, (start, end if how == "batch" else ""))
    rows = records.selectExpr(*columns, decoded).selectExpr(*PLACES, *(f"document.{name}" for name in schema.names))
    if how == "batch":
        rows.writeTo(table).append()
    else:
        writer = rows.writeStream.format("iceberg").outputMode("append").trigger(availableNow=True)
        writer.option("checkpointLocation", Path(checkpoint).as_uri()).toTable(table).awaitTermination()
    spark.stop()


def _records(spark: "SparkSession", settings: Settings, topic: str, offsets: tuple[str, str]) -> "DataFrame":
    start, end = offsets
    reader = spark.read if end else spark.readStream
    reader = reader.format("kafka").option("subscribe", topic).option("startingOffsets", start)
    for name, value in bus.spark_options(settings).items():
        reader = reader.option(name, value)
    return (reader.option("endingOffsets", end) if end else reader).load()


if __name__ == "__main__":
    main(*sys.argv[1:7])
