"""Sources with years behind them: landed events of any number of records, written into landing by Spark in one go.

They stand under a topic of their own, ``bench``, so that landing from Kafka goes on beside them. What follows from them
(candidates, verdicts, releases) is made by the platform's own steps.
"""

from typing import TYPE_CHECKING

import orjson
from sqlalchemy import text

from benchmarks.exports import HOTLINE
from commonweal.epochs import confirm
from commonweal.lake.names import landing_table
from commonweal.ports import Ports
from commonweal.render.lake_schema import ddl, landing_schema
from infra.demo.town import CASES, REGISTER

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TOPIC, FILE_ROWS, EVERY = "bench", 250_000, 100
NOTE = text("""
insert into landed_offsets (dataset, topic, topic_id, offsets) values (:dataset, :topic, :topic, cast(:offsets as jsonb))
on conflict (dataset, topic) do update set offsets = excluded.offsets
""")
REQUESTS = {
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
ENTRIES = {
    "registration_no": "concat('R-', lpad(id, 10, '0'))",
    "person_key": "sha2(cast(id as string), 256)",
    "registration_event_code": "if(id % 80 = 0, 'death', 'register')",
    "changed_on": "date_add(date'2023-06-10', cast(id % 400 as int))",
    "change_sequence": "{day}",
    "died_on": "if(id % 80 = 0, date_add(date'2023-06-01', cast(id % 400 as int)), null)",
    "household_no": "concat('H-', id div 3)",
    "area_code": "'110101'",
}
PAYMENTS = {
    "case_no": "concat('C-', lpad(id, 10, '0'))",
    # Every fifth resident has a case, and of one in a hundred the next one's is theirs too.
    "person_key": "sha2(cast(5 * (id - if(id % 100 = 1, 1, 0)) as string), 256)",
    "programme_code": "if(id % 100 = 1, 'extreme_hardship', 'subsistence_allowance')",
    "status_code": "'active'",
    "opened_on": "date_add(date'2023-01-05', cast(id % 300 as int))",
    "changed_on": "date_add(date'2023-01-05', cast(id % 300 + {day} as int))",
    "monthly_amount_cny": "600 + id % 200 + {day}",
    "paid_through_on": "date'2025-06-30'",
    "area_code": "'110101'",
}
MADE = {HOTLINE: REQUESTS, REGISTER: ENTRIES, CASES: PAYMENTS}
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


def land(ports: Ports, dataset: str, records: int, *, day: int = 0) -> int:
    """Land the state of every record on day 0, and of one in a hundred on each later day.

    Returns:
        How many events of the dataset are landed now.
    """
    contract = ports.contract(dataset)
    table = landing_table(contract).sql
    events(ports, dataset, records, day=day, first=ports.spark.table(table).count()).writeTo(table).append()
    landed = ports.spark.table(table).count()
    with ports.engine.begin() as connection:
        offsets = orjson.dumps({"0": landed}).decode()
        connection.execute(NOTE, {"dataset": dataset, "topic": TOPIC, "offsets": offsets})
        if contract.has_pseudonyms:
            confirm(connection, dataset, 1)
    return landed


def events(ports: Ports, dataset: str, records: int, *, day: int, first: int = 0) -> "DataFrame":
    """The events of one day as rows of landing."""
    contract, every = ports.contract(dataset), EVERY if day else 1
    ids = ports.spark.range(day % every, records, every, max(1, records // every // FILE_ROWS))
    fields = MADE[dataset]
    occurred = ", ".join(fields[contract.field(name).column] for name in contract.occurred_at)
    own = {"_occurred_at": f"cast(coalesce({occurred}) as timestamp)"} | fields
    known = {"day": day, "first": first, "every": every, "department": contract.department}
    given = {name: value.format(**known) for name, value in (ENVELOPE | own).items()}
    columns = (column.split(" ", 1) for column in ddl(landing_schema(contract)).split(", "))
    return ids.selectExpr(*(f"cast({given.get(name, 'null')} as {kind}) as {name}" for name, kind in columns))
