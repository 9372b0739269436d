"""The alert rules: PromQL that a parser reads, metrics that the page has, runbooks that are there."""

import re
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from commonweal.settings import ROOT, Settings
from streams.health_page import Seen, application
from streams.metrics import of_contracts, of_datasets, of_platform, of_work
from tests.unit.streams.test_metrics import CONTRACTS, HEALTH, NOW, STATUSES

FILES = sorted((ROOT / "infra" / "alerts").glob("*.yaml"))
RULES = [rule for path in FILES for group in yaml.safe_load(path.read_text("utf-8"))["groups"] for rule in group["rules"]]
DURATION = re.compile(r"\d+[smhd]")


def on_the_page() -> set[str]:
    """Names of all samples: of the families, and of what stands before them."""
    now, settings = NOW.timestamp(), Settings(secrets_dir=Path("/nowhere"))
    families = (
        *of_platform(HEALTH, now),
        *of_datasets(CONTRACTS, STATUSES, now),
        of_contracts(CONTRACTS, ()),
        *of_work(STATUSES),
    )
    names = {sample.name for family in families for sample in family.samples}
    answer = application(settings, Seen())({"PATH_INFO": "/metrics", "REQUEST_METHOD": "GET"}, lambda *_: None)
    parsed = text_string_to_metric_families(b"".join(answer).decode())
    return names | {sample.name for family in parsed for sample in family.samples}


def test_there_are_rules_with_names_of_their_own():
    names = [rule["alert"] for rule in RULES]
    assert len(names) > 10
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_can_be_read_and_asks_for_what_there_is(rule):
    promql_parser.parse(rule["expr"])
    named = set(re.findall(r"commonweal_\w+", rule["expr"]))
    assert named
    assert named - on_the_page() == set()
    assert DURATION.fullmatch(rule.get("for", "1m"))
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_what_is_wrong_in_both_languages_and_names_its_runbook(rule):
    notes = rule["annotations"]
    assert re.search(r"[\u4e00-\u9fff]", notes["summary"])
    runbook = ROOT / notes["runbook"]
    assert runbook.parent == ROOT / "docs" / "runbooks"
    assert runbook.is_file()
    assert "中文摘要" in runbook.read_text("utf-8")


def test_every_runbook_that_speaks_of_an_alert_speaks_of_one_that_there_is():
    names = {rule["alert"] for rule in RULES}
    pages = [path.read_text("utf-8") for path in (ROOT / "docs" / "runbooks").glob("*.md")]
    spoken = {name for page in pages for name in re.findall(r"\bCommonweal[A-Z]\w+", page)} - {"CommonwealError"}
    assert spoken
    assert spoken - names == set()
