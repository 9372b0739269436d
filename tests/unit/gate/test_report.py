"""The report: one file that needs nothing else, the same numbers as its JSON, everything escaped, both languages."""

import json
import math
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from commonweal.contract.model import Text
from commonweal.gate.model import PastRun, Since
from commonweal.gate.report import render_html, render_json

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """Elements, attributes, text, and whether every element is closed where it should be."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.open, self.words = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def trend(good):
    at = good.report().finished_at
    return tuple(PastRun(at - timedelta(hours=hours), hours != 2, 900 + hours, 0.01 * hours, 0.001) for hours in range(4, -1, -1))


@pytest.fixture
def refused(good):
    results = list(good.results)
    results[2] = replace(results[2], success=False, unexpected=37)
    results[3] = replace(results[3], success=False, evaluated=0, raised=True)
    return replace(good, results=tuple(results), accounting=replace(good.accounting, duplicate=15))


@pytest.mark.parametrize("lang", ["en", "zh", "both"])
def test_page_asks_for_nothing_and_runs_nothing(refused, trend, lang):
    html = render_html(refused.report(trend=trend), lang)
    page = Page(html)
    assert page.open == []
    assert not re.search(r"https?:|//[a-z]|src=|@import|url\(|javascript:", html, re.IGNORECASE)
    assert not {"script", "iframe", "object", "embed", "form", "img", "base", "foreignobject"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert [value for _, name, value in page.attributes if name in {"href", "xlink:href", "action"}] == ["data:,"]


def test_policy_allows_nothing_but_its_own_styles(good):
    policy = next(value for tag, name, value in Page(render_html(good.report())).attributes if value and "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")


def test_texts_of_a_contract_are_escaped(refused, trend):
    rule = refused.results[0].rule.model_copy(update={"sentence": Text(en=ATTACK, zh=ATTACK), "id": ATTACK})
    results = (replace(refused.results[0], rule=rule, success=False, unexpected=1), *refused.results[1:])
    report = replace(refused, results=results).report(trend=trend, title=Text(en=ATTACK, zh=ATTACK))
    report = replace(report, dataset=ATTACK, run_id=ATTACK, code_commit=ATTACK, contract_version=ATTACK)
    html = render_html(report)
    assert "<script" not in html
    assert "<img" not in html
    assert ATTACK in "".join(Page(html).words)


@pytest.mark.parametrize("kind", ["good", "refused", "good_product"])
def test_json_and_page_hold_the_same_counts(request, trend, kind):
    report = request.getfixturevalue(kind).report(trend=trend)
    words = " ".join(" ".join(Page(render_html(report)).words).split())
    document = json.loads(render_json(report))
    assert document["passed"] == report.verdict.passed
    assert [check["id"] for check in document["checks"]] == [check.id for check in report.verdict.checks]
    for result in document["results"]:
        assert result["rule"] in words
        assert f"{result['unexpected']:,}" in words
    for count in (document["accounting"] or {}).values():
        assert f"{count:,}" in words
    for join in document["coverage"]:
        assert f"{join['matched']:,}" in words
    for snapshot in document["snapshots"].values():
        assert snapshot in words
    for run in document["trend"]:
        assert f"{run['rows']:,}" in words


def test_refused_page_says_what_to_do(refused):
    html = render_html(refused.report())
    assert "Refused" in html
    assert "拒绝" in html
    for check in refused.verdict().refusals:
        assert check.cure.zh in html


def test_passed_page_names_the_release(good):
    assert "It became release 12." in render_html(replace(good.report(), release=12))


def test_difference_in_the_accounting_has_a_row_of_its_own(refused, good):
    assert "Unaccounted for" in render_html(refused.report())
    assert "Unaccounted for" not in render_html(good.report())


def test_first_run_has_no_chart(good, trend):
    assert 'class="chart' not in render_html(good.report(trend=trend[:1]))
    assert render_html(good.report(trend=trend)).count('class="chart') == 2


def test_page_of_a_verdict_without_checks(good):
    report = replace(good.report(), verdict=type(good.verdict())(()), results=())
    assert "Nothing was checked" in render_html(report)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_count_that_is_no_number_is_refused_and_reported(good, wrong):
    results = (replace(good.results[0], unexpected=wrong), *good.results[1:])
    report = replace(good, results=results, since=Since(wrong, 1000, accepted=10)).report()
    assert not report.verdict.passed
    assert json.loads(render_json(report))["passed"] is False
    assert "Refused" in render_html(report)


def test_page_is_well_formed_for_every_kind(good, refused, good_product, trend):
    for candidate in (good, refused, good_product):
        page = Page(render_html(candidate.report(trend=trend)))
        assert page.tags.count("h1") == 1
        assert page.tags.count("caption") == page.tags.count("table")
        ids = [value for _, name, value in page.attributes if name == "id"]
        assert len(ids) == len(set(ids))
        assert {value for _, name, value in page.attributes if name == "aria-labelledby"} <= set(ids)


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_text_is_legible_in_light_and_dark(good):
    blocks = re.findall(r":root \{(.*?)\}", render_html(good.report()), re.DOTALL)
    palettes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks[:2]]
    assert len(palettes) == 2
    for palette in palettes:
        for ink in ("ink", "soft", "good", "bad", "warn"):
            for paper in ("paper", "good-wash", "bad-wash"):
                assert contrast(palette[ink], palette[paper]) >= 4.5, (ink, paper)
