"""Datasets with years behind them: landed events of any number of keys, written into landing by Spark in one go.

They stand under a topic of their own, ``bench``, so that landing from Kafka goes on beside them. What follows from them
(candidates, verdicts, releases) is made by the platform's own steps.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import text

from benchmarks.exports import HOTLINE
from commonweal.contract.model import Contract
from commonweal.epochs import confirm, newest_epoch
from commonweal.lake.names import landing_table
from commonweal.ports import Ports
from commonweal.render.lake_schema import ddl, landing_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TOPIC, FILE_ROWS, EVERY = "bench", 250_000, 100
NOTE = text("""
insert into landed_offsets (dataset, topic, topic_id, offsets) values (:dataset, :topic, :topic, cast(:offsets as jsonb))
on conflict (dataset, topic) do update set offsets = excluded.offsets
""")
FIELDS = {
    "case_no": "concat('NYCC', lpad(id, 8, '0'))",
    "office_code": "concat('NYCC', lpad(1 + id % 51, 2, '0'))",
    "opened_on": "date_add(date'2019-01-01', cast(id % 2000 as int))",
    "closed_on": "date_add(date'2019-01-01', cast(id % 2000 + id % 40 as int))",
    "category": "element_at(array('Transportation', 'Sanitation', 'Health', 'Aging', 'Parks'), cast(1 + id % 5 as int))",
    "sub_category": "concat('as exported on day ', {day}, ', note ', id % 1000)",
    "postal_code": "cast(10000 + id % 1500 as string)",
    "borough": "element_at(array('Bronx', 'Brooklyn', 'Manhattan', 'Queens', 'Staten Island'), cast(1 + id % 5 as int))",
    "city": "element_at(array('Bronx', 'Brooklyn', 'New York', 'Queens', 'Staten Island'), cast(1 + id % 5 as int))",
    "district_code": "concat('NYCC', lpad(1 + id % 51, 2, '0'))",
    "community_board": "concat(lpad(1 + id % 18, 2, '0'), ' Queens')",
}
"""The hotline's."""
ENVELOPE = {
    "_kafka_topic": f"'{TOPIC}'",
    "_kafka_partition": "0",
    "_kafka_offset": "{first} + id div {every}",
    "_appended_at": "timestamp_micros(1735689600000000 + {day} * 86400000000)",
    "_source": "'/{department}'",
    "_event_id": "concat('day-', {day}, '-', id)",
    "_event_type": "'recorded'",
    "_recorded_at": "timestamp_micros(1735689600000000 + {day} * 86400000000)",
    "_contract_version": "'1.0.0'",
    "_accepted": "true",
    "_reasons": "array()",
    "_base": "false",
}


def land(ports: Ports, cases: int, *, day: int = 0, dataset: str = HOTLINE, fields: Mapping[str, str] = FIELDS) -> int:
    """Land the state of every case on day 0, and of one case in a hundred on each later day.

    Args:
        ports: The world.
        cases: How many business keys the dataset has.
        day: The day.
        dataset: A source's id.
        fields: By column, Spark SQL of ``id`` and ``{day}``; a field that is left out is missing in every event.

    Returns:
        How many events are landed now.
    """
    contract = ports.contract(dataset)
    table, epoch = landing_table(contract).sql, newest_epoch(ports.engine)
    first = ports.spark.table(table).count()
    events(ports, contract, fields, cases, day=day, first=first).writeTo(table).append()
    landed = ports.spark.table(table).count()
    with ports.engine.begin() as connection:
        if contract.has_pseudonyms:
            confirm(connection, dataset, epoch)
        offsets = orjson.dumps({"0": landed}).decode()
        connection.execute(NOTE, {"dataset": dataset, "topic": TOPIC, "offsets": offsets})
    return landed


def events(ports: Ports, contract: Contract, fields: Mapping[str, str], cases: int, *, day: int, first: int) -> "DataFrame":
    """The events of one day as rows of landing; the first one's offset is ``first``."""
    every = EVERY if day else 1
    ids = ports.spark.range(day % every, cases, every, max(1, cases // every // FILE_ROWS))
    occurred = ", ".join(fields[name] for name in contract.occurred_at)
    values = {**ENVELOPE, "_occurred_at": f"cast(coalesce({occurred}) as timestamp)", **fields}
    place = {"day": day, "first": first, "every": every, "department": contract.department}
    given = {name: value.format(**place) for name, value in values.items()}
    columns = (column.split(" ", 1) for column in ddl(landing_schema(contract)).split(", "))
    return ids.selectExpr(*(f"cast({given.get(name, 'null')} as {kind}) as {name}" for name, kind in columns))
