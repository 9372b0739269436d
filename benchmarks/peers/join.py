"""The peers of the join: the product from the same released snapshots, by Spark with our transform, and by DuckDB in SQL.

Neither asks which releases agree, works on a branch, or records what the product was made of. DuckDB works out months only of
people who died or have cases of two programmes, as whoever knows the rules would by hand; it reads and writes Parquet files.
"""

import sys
from collections.abc import Iterator

from benchmarks.peers.gate import PROGRAM, files, literal
from commonweal.contract.loader import load_contracts
from commonweal.contract.model import Contract, Input
from commonweal.database import engine
from commonweal.lake.names import TableId, released_table
from commonweal.lake.releases import current_release
from commonweal.render.lake_schema import current_schema
from commonweal.settings import Settings, load_settings

FINDINGS = """
with cases as (
    select case_no, person_key, programme_code, opened_on, paid_through_on from assistance_case
    where _state = 'live' and programme_code in {recurring}
),
dead as (
    select person_key, max(day) as died_on, max((day, registration_no)) as entry from (
        select person_key, registration_no, coalesce(died_on, changed_on) as day from household_registration
        where _state = 'live' and registration_event_code = 'death'
    ) group by person_key
),
alive as (
    select person_key, max(changed_on) as alive_on from household_registration semi join dead using (person_key)
    where _state = 'live' and registration_event_code in ('register', 'move_in') group by person_key
),
deaths as (
    select person_key, died_on, entry[2] as other_record_no from dead left join alive using (person_key)
    where not coalesce(alive_on > died_on, false)
),
concerned as (
    select person_key from deaths
    union all select person_key from cases group by person_key having count(distinct programme_code) > 1
),
periods as (
    select case_no, person_key, programme_code,
        case when opened_on = date_trunc('month', opened_on) then opened_on
            else date_trunc('month', opened_on) + interval 1 month end as begins,
        date_trunc('month', paid_through_on + 1) - interval 1 month as ends
    from cases semi join concerned using (person_key)
),
months as (
    select case_no, person_key, programme_code, cast(unnest(generate_series(begins, ends, interval 1 month)) as date) as month
    from periods where begins <= ends
),
paid as (
    select m.*, s.monthly_amount_cny
    from months m join assistance_case_history s on s.case_no = m.case_no and s.person_key = m.person_key
    where s.status_code <> 'suspended' and cast(s._valid_from as date) <= month
        and (s._valid_to is null or month < cast(s._valid_to as date))
),
pairs as (
    select {after_death} as rule_code, {after_death_source} as rule_source, paid.*, other_record_no
    from paid join deaths using (person_key) where month > last_day(died_on)
    union all select {overlapping}, {overlapping_source}, a.*, h.case_no
    from paid a join paid h on h.person_key = a.person_key and h.month = a.month
    where a.programme_code = 'subsistence_allowance' and h.programme_code = 'extreme_hardship'
)
select substring(sha256(concat_ws('|', rule_code, case_no, other_record_no)), 1, 24) as finding_no, rule_code, person_key,
    case_no, other_record_no, min(month) as from_on, last_day(max(month)) as to_on, count(*) as months_count,
    cast(sum(monthly_amount_cny) as decimal(14, 2)) as amount_cny, rule_source, {unseen} as rule_certainty_code
from pairs group by rule_code, rule_source, person_key, case_no, other_record_no
"""


def main(how: str, product: str, place: str) -> None:
    """Make a product: ``spark`` into a table of the lake, or ``duckdb`` into a file."""
    settings = load_settings()
    contracts = load_contracts(settings.schemas_dir)
    write = {"spark": by_spark, "duckdb": by_duckdb}[how]
    write(settings, contracts[product], contracts, place)


def by_spark(settings: Settings, product: Contract, contracts: dict[str, Contract], table: str) -> None:
    """Write what our transform makes over all that the table holds."""
    from commonweal.lake.spark import at, session
    from commonweal.steps.join import readable, transform_module

    spark = session(settings)
    frames = {
        item.name: readable(at(spark, source, snapshot), item.table)
        for item, source, snapshot in released(settings, product, contracts)
    }
    columns = ", ".join(current_schema(product).names)
    transform_module(product).transform(**frames).createOrReplaceTempView("made")
    spark.sql(f"insert overwrite {table} select {columns} from made").collect()
    spark.stop()


def by_duckdb(settings: Settings, product: Contract, contracts: dict[str, Contract], file: str) -> None:
    """Write what SQL by hand makes into a Parquet file."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for item, source, snapshot in released(settings, product, contracts):
            connection.register(item.name, files(settings, source, snapshot))
        connection.execute(f"copy ({findings()}) to {literal(file)} (format parquet)")


def released(settings: Settings, product: Contract, contracts: dict[str, Contract]) -> Iterator[tuple[Input, TableId, int]]:
    """Each input of a product with its table and the snapshot that people read."""
    for item in product.inputs:
        made = current_release(engine(settings, PROGRAM), item.dataset)
        if made is None:
            raise SystemExit(f"{item.dataset} is not released")
        yield item, released_table(contracts[item.dataset], item.table), made.snapshots[item.table]


def findings() -> str:
    """The SQL, with what the transform says of its rules."""
    from jobs.data_bureau import benefit_integrity as rules

    return FINDINGS.format(
        recurring=literal(rules.RECURRING),
        after_death=literal(rules.AFTER_DEATH),
        after_death_source=literal(rules.AFTER_DEATH_SOURCE),
        overlapping=literal(rules.OVERLAPPING),
        overlapping_source=literal(rules.OVERLAPPING_SOURCE),
        unseen=literal(rules.UNSEEN),
    )


if __name__ == "__main__":
    main(*sys.argv[1:4])
