"""Who decides about a dataset and sees its rejected events, and what is kept of a word that somebody typed."""

import pytest

from commonweal.contract.loader import load_contracts
from commonweal.people import Person, as_name, decides
from commonweal.settings import ROOT

CONTRACTS = load_contracts(ROOT / "schemas")


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_an_engineer_or_the_own_department_decides_and_nobody_else(contract):
    departments = {item.department for item in CONTRACTS.values()} | {"justice"}
    people = [Person(f"dept_{name}", name) for name in departments]
    people += [Person(name, None) for name in ("engineer", "auditor", "pipeline", "query", "watch", "commonweal")]
    allowed = {person.role for person in people if decides(contract, person)}
    assert allowed == {"engineer", f"dept_{contract.department}"}


def test_what_is_no_name_is_not_kept():
    assert as_name("dept_hotline") == "dept_hotline"
    assert as_name("99010119900307002X") == "not a name"
    assert as_name("../../secrets") == "not a name"
