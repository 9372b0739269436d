"""The dataset's page: complete, bilingual, and safe to show whatever a contract says."""

import re

import pytest

from commonweal.contract.loader import load_contracts
from commonweal.contract.model import Text
from commonweal.render.page import page
from commonweal.settings import ROOT


@pytest.fixture(scope="module")
def contracts():
    return load_contracts(ROOT / "schemas")


def test_everything_is_on_it(contracts):
    contract = contracts["civil_affairs.assistance_case"]
    text = page(contract, contracts)
    assert all(f"`{field.column}`" in text for field in contract.fields)
    assert all(rule.sentence.en in text and rule.sentence.zh in text for rule in contract.rules)
    assert all(purpose.code in text and purpose.legal_basis in text for purpose in contract.purposes)
    assert contract.description.zh in text
    assert "used by · 用于 [data_bureau.benefit_integrity](data_bureau.benefit_integrity.md)" in text


def test_a_products_inputs_and_small_cells(contracts):
    text = page(contracts["data_bureau.community_issues"], contracts)
    assert "made from · 来源 [hotline.service_request](hotline.service_request.md) (current)" in text
    assert "Hidden below · 隐藏阈值 | 10 |" in text
    assert "In the export" not in text


EVIL = "<script>alert(1)</script> [x](javascript:alert(1)) | a\n\n# b `c` ![d](http://e) <!-- "


def test_a_contracts_texts_are_never_markup(contracts):
    contract = contracts["hotline.service_request"]
    text = Text(en=EVIL, zh=EVIL)
    field = contract.fields[0].model_copy(update={"title": text, "description": text, "physical_name": EVIL})
    rule = contract.rules[0].model_copy(update={"sentence": text})
    purpose = contract.purposes[0].model_copy(update={"title": text, "legal_basis": EVIL})
    changes = {"title": text, "description": text, "fields": (field,), "rules": (rule,), "purposes": (purpose,)}
    shown = page(contract.model_copy(update=changes), contracts)
    outside = re.sub(r"(?<!\\)`[^`]*`", "", shown)
    assert "<script" not in outside
    assert not re.search(r"(?<!\\)\]\((javascript|http)", outside)
    assert "\n# b" not in shown
    tables = [line for line in shown.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {3, 4, 5, 7}
