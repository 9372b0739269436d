"""The gate's report in a real browser, opened from disk: nothing is asked for, nothing complains, nothing runs off the page."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from commonweal.contract.loader import load_contracts
from commonweal.errors import CommonwealError
from commonweal.gate.model import Accounting, PastRun, Report, RuleResult, Since
from commonweal.gate.report import render_html
from commonweal.gate.verdict import verdict
from commonweal.render.suite import suite
from commonweal.settings import ROOT

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
ROWS = 305_842
BOOKS = Accounting(
    offsets=306_530, gaps=36, landed=306_494, accepted=306_447, rejected=47, live=ROWS, superseded=312, duplicate=87,
    conflict=206, pending=0, withdrawn=0, open=3, repaired=40, dismissed=4,
)  # fmt: skip
FLAGS = ["--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader"]
OVERFLOW = """() => [...document.querySelectorAll("main *")].filter(
    e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + "." + e.className)"""
HIDDEN = (
    """language => [...document.querySelectorAll(`.page [lang="${language}"]`)].every(e => e.getClientRects().length === 0)"""
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from infra.install.browser import chromium

    try:
        paths = chromium()
    except (CommonwealError, OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"Chromium can't be had here: {type(error).__name__}")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=paths.executable,
            env={**os.environ, "LD_LIBRARY_PATH": str(paths.libraries)},
            ignore_default_args=["--enable-unsafe-swiftshader"],
            args=FLAGS,
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("report")
    passed, refused = report(broken=False), report(broken=True)
    assert passed.verdict.passed
    assert not refused.verdict.passed
    for name, made in (("passed", passed), ("refused", refused)):
        for lang in ("en", "zh", "both"):
            (place / f"{name}-{lang}.html").write_text(render_html(made, lang), "utf-8")
    yield place
    shutil.rmtree(place)


def report(*, broken: bool) -> Report:
    contract = load_contracts(ROOT / "schemas")["hotline.service_request"]
    rules = suite(contract)
    results = [RuleResult(rule, success=True, evaluated=ROWS) for rule in rules.rules]
    if broken:
        results[0] = replace(results[0], success=False, unexpected=1203)
        results[1] = RuleResult(results[1].rule, success=False, raised=True)
    books = replace(BOOKS, duplicate=82) if broken else BOOKS
    since = Since(rows_before=304_900, rows_after=ROWS, rejected_open=3, set_aside=6, accepted=1204)
    judged = verdict(contract, rules, results, accounting=books, coverage=(), since=since)
    trend = [PastRun(NOW - timedelta(hours=h), h != 3, ROWS - h * 500, 0.002 * (h % 3), 0.001) for h in range(11, -1, -1)]
    return Report(
        dataset=contract.id, title=contract.title, run_id="a_17_ab12cd", attempt=17, verdict=judged, results=tuple(results),
        snapshots={"current": 8123456789012345678, "history": 8123456789012345677}, rows={"current": ROWS, "history": 306_154},
        contract_version=contract.version, contract_digest=contract.digest, suite_digest=rules.digest, code_commit="ed22db0",
        started_at=NOW - timedelta(seconds=19), finished_at=NOW, accounting=books, since=since, trend=tuple(trend),
    )  # fmt: skip


def opened(browser: Browser, path: Path, *, width: int = 1280, scheme: str = "light") -> tuple[Page, list[str]]:
    """The page, and everything it asked for beyond itself or complained about."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    troubles: list[str] = []
    page.on("request", lambda request: troubles.append(request.url) if request.url != path.as_uri() else None)
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(path.as_uri())
    return page, troubles


@pytest.mark.parametrize("name", ["passed", "refused"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_opens_from_disk_without_a_request_or_an_error(browser, folder, name, scheme):
    page, troubles = opened(browser, folder / f"{name}-en.html", scheme=scheme)
    assert page.locator(".verdict h2").inner_text() == name.title()
    assert page.locator(".chart.wide svg").is_visible()
    assert troubles == []


@pytest.mark.parametrize("name", ["passed", "refused"])
@pytest.mark.parametrize("lang", ["en", "zh", "both"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_runs_off_the_page(browser, folder, name, lang, width):
    page, _ = opened(browser, folder / f"{name}-{lang}.html", width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOW) == []


def test_reader_switches_the_language_without_a_script(browser, folder):
    page, _ = opened(browser, folder / "passed-en.html")
    assert page.evaluate(HIDDEN, "zh-Hans")
    page.get_by_text("中文", exact=True).click()
    assert page.locator(".verdict h2").inner_text() == "通过"
    assert page.evaluate(HIDDEN, "en")


def test_dark_page_is_dark(browser, folder):
    shown = "getComputedStyle(document.body).backgroundColor"
    page, _ = opened(browser, folder / "passed-en.html", scheme="dark")
    assert page.evaluate(shown) == "rgb(21, 24, 26)"
    ink = "getComputedStyle(document.querySelector('.chart.wide text')).fill"
    assert page.evaluate(ink) == "rgb(164, 168, 171)"


def test_page_prints(browser, folder):
    page, _ = opened(browser, folder / "refused-en.html")
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print", color_scheme="light")
    assert page.locator(".switch").is_hidden()
