"""The peers of cleaning: Spark keeps one row per case, the state recorded last, by MERGE or by writing all of them anew.

Neither settles conflicts, corrections or withdrawals, counts what became of each event, or keeps the history of a case. Both are
given what to start from: the offset after the last event that the table holds.
"""

import sys

from commonweal.contract.loader import load_contract
from commonweal.lake.names import landing_table
from commonweal.lake.spark import session
from commonweal.render.lake_schema import fields_schema
from commonweal.settings import load_settings

NEWEST = """
select {columns} from (
    select *, row_number() over (partition by case_no order by _recorded_at desc) as place from {landing} where {which}
) where place = 1
"""


def main(how: str, dataset: str, table: str, after: str) -> None:
    """Bring a table of current states up to date: ``merge``, or ``rewrite`` of everything."""
    settings = load_settings()
    contract, spark = load_contract(settings.schemas_dir, dataset), session(settings)
    names = fields_schema(contract).names
    newest = NEWEST.format(
        columns=", ".join(names),
        landing=landing_table(contract).sql,
        which="_accepted" if how == "rewrite" else f"_accepted and _kafka_offset >= {int(after)}",
    )
    if how == "rewrite":
        spark.sql(f"insert overwrite {table} {newest}").collect()
    else:
        matched = ", ".join(f"t.{name} = s.{name}" for name in names)
        listed = f"({', '.join(names)}) values ({', '.join(f's.{name}' for name in names)})"
        spark.sql(
            f"merge into {table} t using ({newest}) s on t.case_no = s.case_no "
            f"when matched then update set {matched} when not matched then insert {listed}"
        ).collect()
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:5])
