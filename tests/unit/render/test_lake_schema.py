"""Arrow schemas and Spark DDL of the tables."""

import pyarrow as pa
import pytest

from commonweal.contract.loader import load_contract
from commonweal.render.lake_schema import current_schema, ddl, history_schema, landing_schema
from commonweal.settings import ROOT


@pytest.fixture(scope="module")
def contract():
    return load_contract(ROOT / "schemas", "civil_affairs.assistance_case")


@pytest.mark.parametrize("schema", [landing_schema, current_schema, history_schema])
def test_no_raw_identifier_has_a_column(contract, schema):
    assert "resident_id" not in schema(contract).names
    assert schema(contract).field("person_key").type == pa.string()


def test_types(contract):
    schema = current_schema(contract)
    assert schema.field("monthly_amount_cny").type == pa.decimal128(12, 2)
    assert schema.field("opened_on").type == pa.date32()
    assert schema.field("_valid_from").type == pa.timestamp("us", tz="UTC")
    assert schema.field("_events").type == pa.int32()


def test_columns_stand_in_the_contracts_order(contract):
    own = [field.column for field in contract.fields]
    assert current_schema(contract).names[: len(own)] == own
    assert history_schema(contract).names == [*own, "_valid_from", "_valid_to", "_recorded_at", "_source", "_event_id"]
    assert landing_schema(contract).names[-len(own) :] == own
    assert landing_schema(contract).names[:4] == ["_kafka_topic", "_kafka_partition", "_kafka_offset", "_appended_at"]


def test_a_product_has_its_own_columns_only():
    product = load_contract(ROOT / "schemas", "data_bureau.community_issues")
    assert current_schema(product).names == [field.column for field in product.fields]


def test_every_column_may_be_null(contract):
    """A rejected record has no values, and the lake's schema says nothing that the gate doesn't check."""
    assert all(column.nullable for column in landing_schema(contract))


def test_ddl(contract):
    text = ddl(landing_schema(contract))
    assert text.startswith("_kafka_topic STRING, _kafka_partition INT, _kafka_offset BIGINT, _appended_at TIMESTAMP")
    assert "_reasons ARRAY<STRING>, _sealed BINARY, _base BOOLEAN, case_no STRING, person_key STRING" in text
    assert "monthly_amount_cny DECIMAL(12,2), paid_through_on DATE" in text
