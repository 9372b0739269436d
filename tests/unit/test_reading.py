"""Who may read what, and for what: every kind of sharing against every kind of caller."""

import pytest

from commonweal.contract.loader import load_contracts
from commonweal.people import Person
from commonweal.reading import readable_columns, refusal
from commonweal.settings import ROOT

CONTRACTS = load_contracts(ROOT / "schemas")
HOTLINE = CONTRACTS["hotline.service_request"]
CASES = CONTRACTS["civil_affairs.assistance_case"]
OPEN = CONTRACTS["data_bureau.community_issues"]
ENGINEER, AUDITOR = Person("engineer", None), Person("auditor", None)
OWNER, OTHER = Person("dept_civil_affairs", "civil_affairs"), Person("dept_hotline", "hotline")


def shared(sharing):
    return CASES.model_copy(update={"sharing": sharing, "sharing_basis": "Some law, article 1"})


@pytest.mark.parametrize(
    ("contract", "allowed", "refused"),
    [
        (shared("unconditional"), [ENGINEER, AUDITOR, OWNER, OTHER], []),
        (shared("conditional"), [ENGINEER, OWNER], [AUDITOR, OTHER]),
        (shared("conditional").model_copy(update={"is_open": True}), [ENGINEER, AUDITOR, OWNER, OTHER], []),
        (shared("not_shared"), [OWNER], [ENGINEER, AUDITOR, OTHER]),
    ],
)
def test_sharing_decides_who_reads(contract, allowed, refused):
    purpose = contract.purposes[0].code
    assert [person for person in allowed if refusal(contract, person, purpose)] == []
    assert [person for person in refused if not refusal(contract, person, purpose)] == []


@pytest.mark.parametrize("person", [ENGINEER, AUDITOR, OWNER])
def test_purpose_outside_the_closed_list_is_refused_to_all_and_not_repeated(person):
    why = refusal(CASES, person, "99010119900307002X")
    assert why is not None
    assert "benefit_integrity" in why
    assert "9901" not in why


def test_contract_without_purposes_is_read_by_nobody():
    assert refusal(CASES.model_copy(update={"purposes": ()}), OWNER, "benefit_integrity")


def test_program_is_no_person():
    assert refusal(OPEN, Person("pipeline", None), "open_data")


def test_refusal_for_want_of_a_grant_says_whom_to_ask():
    assert "ask civil_affairs" in str(refusal(CASES, OTHER, CASES.purposes[0].code))


def test_purpose_of_the_demo_is_in_the_contract():
    from infra.demo import story

    line = next(line for line in story._where_to_look.__code__.co_consts if "commonweal query" in str(line))
    assert f"query {OPEN.id} --purpose {OPEN.purposes[0].code}" in str(line)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_readers_see_no_column_of_the_platform_but_the_periods(contract):
    columns = {name for table in contract.tables for name in readable_columns(contract, table, ENGINEER)}
    own = {"_valid_from", "_valid_to"} if contract.kind == "source" else set()
    assert {name for name in columns if name.startswith("_")} == own


def test_what_sharing_drops_or_generalises_is_left_out_for_others():
    treated = {"status": "drop", "programme_code": "generalise(year)"}
    fields = tuple(field.model_copy(update={"treatment": treated.get(field.name, field.treatment)}) for field in CASES.fields)
    contract = CASES.model_copy(update={"fields": fields})
    missing = set(readable_columns(contract, "current", OWNER)) - set(readable_columns(contract, "current", ENGINEER))
    assert missing == {field.column for field in fields if field.name in treated}
    assert missing
