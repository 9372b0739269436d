"""Never a score, rank, rating or label of a person: the one rule without exemption."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal.contract.loader import load_contracts
from commonweal.contract.model import Code, Text
from commonweal.contract.never_score import asks_for_score, is_about_people, is_score
from commonweal.settings import ROOT

ENGLISH = [
    *("score", "Scores", "scored", "trust_score", "riskScore", "RANK", "ranking", "rating", "label", "labelled", "profile"),
    *("blacklist", "red list", "credit grade", "risk_level", "percentile", "creditworthiness", "ｓｃｏｒｅ", "sc\u200bore"),
]
CHINESE = [
    "评分",
    "信用评分",
    "得分",
    "积分",
    "排名",
    "评级",
    "信用等级",
    "风险 等级",
    "标签",
    "画像",
    "黑名单",
    "诚信指数",
    "行\u200b为评价",
]
INNOCENT = ["unified social credit code", "统一社会信用代码", "underscore", "core", "description", "franking", "等级",
            "disability level", "残疾等级", "scorched", "operating", "migrating", "labour", "frank"]  # fmt: skip


@pytest.fixture
def assistance(schemas):
    return load_contracts(schemas)["civil_affairs.assistance_case"]


@pytest.mark.parametrize("word", ENGLISH + CHINESE)
def test_a_score(word):
    assert is_score(word)


@pytest.mark.parametrize("word", INNOCENT)
def test_no_score(word):
    assert not is_score(word)


@given(st.sampled_from(ENGLISH + CHINESE), st.sampled_from([" ", "_", "-", "，", "\n"]), st.text("abcxyz", max_size=5))
def test_wherever_it_stands(word, between, other):
    assert is_score(f"{other}{between}{word}{between}{other}")


def with_field(contract, **changes):
    return contract.model_copy(update={"fields": (contract.fields[0].model_copy(update=changes), *contract.fields[1:])})


@pytest.mark.parametrize("word", ["score", "评分"])
def test_every_text_of_a_contract_is_read(assistance, word):
    text, plain = Text(en=word, zh=word), Text(en="x", zh="人")
    purpose = assistance.purposes[0].model_copy(update={"title": text})
    asked = [
        assistance.model_copy(update={"id": f"civil_affairs.{word}"}),
        assistance.model_copy(update={"title": text}),
        assistance.model_copy(update={"description": text}),
        assistance.model_copy(update={"tags": (word,)}),
        assistance.model_copy(update={"purposes": (purpose,)}),
        with_field(assistance, name=word),
        with_field(assistance, physical_name=word),
        with_field(assistance, column=word),
        with_field(assistance, title=text),
        with_field(assistance, description=text),
        with_field(assistance, codes=(Code(value=word, title=plain),)),
        with_field(assistance, codes=(Code(value="a", title=text),)),
        with_field(assistance, codes=(Code(value="a", title=plain, physical=(word,)),)),
    ]
    assert all(asks_for_score(contract) for contract in asked)


def test_a_thing_may_have_a_rank(assistance):
    """A dataset about hospitals may say which grade a hospital has: the rule is about people."""
    thing = Text(en="Inspection rating of a bridge", zh="桥梁检查评级")
    field = assistance.field("changed_on").model_copy(update={"title": thing, "description": thing})
    changes = {"id": "civil_affairs.bridge", "title": thing, "description": thing, "fields": (field,), "purposes": (), "tags": ()}
    bridge = assistance.model_copy(update=changes)
    assert not is_about_people(bridge)
    assert asks_for_score(bridge) == ()


def test_our_own_contracts_ask_for_none():
    contracts = load_contracts(ROOT / "schemas")
    assert contracts
    assert not any(asks_for_score(contract) for contract in contracts.values())
