import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal.decoding import Decoder, to_document
from commonweal.decoding.rows import check_columns
from commonweal.errors import ContractError


@pytest.mark.parametrize(
    ("row", "document"),
    [
        ({"案件编号": "C1", "note": "", "visits": "  "}, {"case_no": "C1"}),
        ({"身份证": " ９９０１０１１９９００３０７００２ｘ"}, {"resident_id": "99010119900307002X"}),
        ({"状态": "在享"}, {"status_code": "active"}),
        ({"状态": "A"}, {"status_code": "active"}),
        ({"状态": "ended"}, {"status_code": "ended"}),
        ({"状态": "別"}, {"status_code": "別"}),
        ({"visits": "１２"}, {"visits": 12}),
        ({"amount_cny": "１２０．５０"}, {"amount_cny": "120.50"}),
        ({"amount_cny": ".5"}, {"amount_cny": "0.5"}),
        ({"opened_on": "2025/1/5"}, {"opened_on": "2025-01-05"}),
        ({"opened_on": "20250105"}, {"opened_on": "2025-01-05"}),
        ({"opened_on": "2025年1月5日"}, {"opened_on": "2025-01-05"}),
        ({"opened_on": "2025-01-05 00:00:00"}, {"opened_on": "2025-01-05"}),
        ({"is_urgent": "是"}, {"is_urgent": True}),
        ({"is_urgent": "0"}, {"is_urgent": False}),
        ({"seen_at": "2025-12-01 16:00:00+08:00"}, {"seen_at": "2025-12-01T08:00:00Z"}),
    ],
)
def test_a_row_is_read_as_the_department_writes_it(contract, row, document):
    assert to_document(row, contract) == (document, ())


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"visits": "1,200"}, "type:visits"),
        ({"amount_cny": "12万"}, "decimal:amount_cny"),
        ({"opened_on": "05.01.2025"}, "date:opened_on"),
        ({"opened_on": "2023-02-30"}, "date:opened_on"),
        ({"seen_at": "2025-12-01 16:00:00"}, "timestamp:seen_at"),
        ({"is_urgent": "vielleicht"}, "type:is_urgent"),
    ],
)
def test_what_can_not_be_read_is_named_and_left_for_the_validator(contract, row, problem):
    document, problems = to_document(row, contract)
    assert problems == (problem,)
    field = problem.partition(":")[2]
    assert document[field] == row[field]
    assert any(reason.endswith(f":{field}") for reason in Decoder(contract).problems(document))


@given(
    st.dictionaries(
        st.sampled_from(["案件编号", "身份证", "状态", "opened_on", "seen_at", "amount_cny", "visits", "is_urgent", "note"]),
        st.none() | st.text(),
    )
)
def test_no_row_breaks_the_reader(contract, row):
    document, _ = to_document(row, contract)
    Decoder(contract).problems(document)


def test_columns_are_checked_by_name(contract):
    names = [field.physical_name for field in contract.fields]
    check_columns(names, contract)
    check_columns([*names, "ce_id"], contract, extra=("ce_id",))
    for columns, words in ((names[1:], "missing: 案件编号"), ([*names, "x"], "unknown: x"), ([*names, "note"], "repeated: note")):
        with pytest.raises(ContractError, match=words):
            check_columns(columns, contract)
