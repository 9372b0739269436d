from datetime import timedelta

import pytest

from commonweal.contract.model import Contract, Field, Input, Text
from commonweal.render.dag import STEPS, asset_uri, dag_plan, dag_plans

TITLE = Text(en="Number", zh="编号")


def contract(dataset: str = "office.paper", **more: object) -> Contract:
    field = Field(name="paper_no", physical_name="paper_no", column="paper_no", type="string", title=TITLE, description=TITLE)
    values = {
        "id": dataset,
        "version": "1.2.0",
        "kind": "source",
        "status": "active",
        "title": Text(en="Paper", zh="文件"),
        "description": Text(en="One paper {a}.", zh="一份文件。"),
        "fields": (field,),
        "key": ("paper_no",),
        "digest": "0" * 64,
    }
    return Contract.model_validate(values | more)


def product(*inputs: str, **more: object) -> Contract:
    named = tuple(Input(name=f"input_{number}", dataset=dataset) for number, dataset in enumerate(inputs))
    return contract("bureau.digest", kind="product", inputs=named, **more)


def test_a_source_lands_and_cleans_before_the_gate():
    plan = dag_plan(contract())
    assert [task.step for task in plan.tasks] == ["land", "clean", "gate", "release"]
    assert plan.inputs == ()
    assert plan.id == plan.outlet == "office.paper"


def test_a_product_joins_before_the_gate_and_names_each_input_once():
    plan = dag_plan(product("office.paper", "office.pen", "office.paper"))
    assert [task.step for task in plan.tasks] == ["join", "gate", "release"]
    assert plan.inputs == ("office.paper", "office.pen")


def test_people_read_both_languages_and_where_it_comes_from():
    text = dag_plan(contract()).text
    for words in ("Paper", "文件", "One paper {a}.", "一份文件。", "`schemas/office/paper.yaml`", "1.2.0"):
        assert words in text


def test_tags_are_sorted_and_stand_once():
    assert dag_plan(contract(tags=("source", "grid"))).tags == ("grid", "office", "source")


@pytest.mark.parametrize(
    ("minutes", "longest", "timeout"), [(0, 5, 3600), (1, 15, 3600), (15, 225, 3600), (60, 600, 14400), (1440, 600, 345600)]
)
def test_waits_follow_the_promised_freshness(minutes, longest, timeout):
    plan = dag_plan(contract(freshness_minutes=minutes))
    assert (plan.longest_retry_seconds, plan.timeout_seconds) == (longest, timeout)
    assert timedelta(seconds=plan.retry_seconds) <= timedelta(seconds=plan.longest_retry_seconds)


def test_plans_are_sorted_by_id():
    plans = dag_plans([contract("office.pen"), contract("office.ink")])
    assert [plan.id for plan in plans] == ["office.ink", "office.pen"]


def test_every_step_has_its_sentence():
    assert {task.text for plan in dag_plans([contract(), product("office.paper")]) for task in plan.tasks} == {
        text.en for text in STEPS.values()
    }


def test_the_address_of_an_asset_is_the_path():
    assert asset_uri("office.paper") == "commonweal://office/paper"
