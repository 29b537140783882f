"""Our own pages in a real browser: accessible, quiet, as they looked when somebody last looked at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from gate.report import render_analysis, render_verdict
from gate.report.compare import render_comparison
from gate.report.history import history_format
from gate.study.formats import render_study
from tests.browser.screenshots import MEAN, compare, difference
from tests.report import samples
from tests.report.test_compare import COMPARISON
from tests.report.test_history import sample_history
from tests.study import samples as studies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

Scheme = Literal["light", "dark"]
DESKTOP = (1200, 900)
PHONE = (390, 844)

PAGES: dict[str, Callable[[], str]] = {
    "blocked": lambda: render_verdict(samples.blocked(), "html"),
    "hostile": lambda: render_verdict(samples.hostile(), "html"),
    "unreadable": lambda: render_verdict(samples.unreadable(), "html"),
    "empty": lambda: render_verdict(samples.empty(), "html"),
    "analysis": lambda: render_analysis(samples.transformer(), "html"),
    "history": lambda: history_format("html").history(sample_history(everything=False)),
    "index": lambda: history_format("html").history(sample_history(everything=True)),
    "study": lambda: render_study(studies.plain(), "html"),
    "comparison": lambda: render_comparison(COMPARISON, "html"),
    "hostile study": lambda: render_study(studies.hostile(), "html"),
}


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open one of the pages from a file; fail afterwards if the browser complained about it."""
    said: list[str] = []
    contexts = []

    def open_page(name: str, size: tuple[int, int] = DESKTOP, scheme: Scheme = "light") -> Page:
        path = tmp_path / f"{name}.html"
        path.write_text(PAGES[name](), encoding="utf-8")
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"a dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: said.append(request.url) if not request.url.startswith("file:") else None,
        )
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_violation(opened: Callable[..., Page], name: str, scheme: Scheme) -> None:
    """With every fold open, so that all of it is judged, and every rule of axe-core, best practices too."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - only the browser tests have it

    page = opened(name, scheme=scheme)
    page.evaluate(
        "document.querySelectorAll('details').forEach(d => { d.removeAttribute('name'); d.open = true })"
    )
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert results.response["passes"], "axe judged nothing"


def test_axe_would_find_one(browser: Browser) -> None:
    """The check above can fail: grey on grey, an image without words."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - as above

    page = browser.new_page()
    page.set_content("<html lang=en><title>t</title><main><h1>t</h1><img src='data:,'>"
                     "<p style='color:#aaa;background:#bbb'>words</p></main>")  # fmt: skip
    found = {violation["id"] for violation in Axe().run(page).response["violations"]}
    page.close()
    assert {"color-contrast", "image-alt"} <= found


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_down_only(opened: Callable[..., Page], name: str) -> None:
    page = opened(name, size=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]


def test_hostile_names_are_text(opened: Callable[..., Page]) -> None:
    page = opened("hostile")
    assert page.get_by_text("<script>alert(1)</script>").first.is_visible()
    assert page.evaluate("document.images.length + document.scripts.length") == 0


def test_print_opens_every_fold_and_leaves_the_other_orders_out(opened: Callable[..., Page]) -> None:
    page = opened("blocked")
    hidden = page.locator("details.rest .lines")
    assert not hidden.is_visible()
    page.emulate_media(media="print")
    assert hidden.is_visible()
    assert not page.locator(".orders").is_visible()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_orders_open_one_at_a_time(opened: Callable[..., Page]) -> None:
    page = opened("blocked")
    orders = page.locator("details[name=order]")
    for title in ("by alpha, highest first", "by name"):
        orders.get_by_text(title, exact=True).click()
        assert orders.locator("table:visible").count() == 1
    orders.locator("a:visible").first.click()
    assert page.url.partition("#")[2].startswith("row-")
    assert page.locator("tr:target").is_visible()


@pytest.mark.parametrize(
    ("golden", "name", "size", "scheme", "place"),
    [
        ("report-light.png", "blocked", DESKTOP, "light", "header"),
        ("report-phone-dark.png", "blocked", PHONE, "dark", "header"),
        ("model-light.png", "blocked", DESKTOP, "light", "#model-title"),
        ("family-phone-light.png", "blocked", PHONE, "light", "#family-title"),
        ("spectra-dark.png", "blocked", DESKTOP, "dark", "#spectra-title"),
        ("index-dark.png", "index", DESKTOP, "dark", "header"),
    ],
)
def test_pages_look_as_they_did(
    opened: Callable[..., Page],
    tmp_path: Path,
    golden: str,
    name: str,
    size: tuple[int, int],
    scheme: Scheme,
    place: str,
) -> None:
    page = opened(name, size=size, scheme=scheme)
    page.evaluate("place => document.querySelector(place).scrollIntoView()", place)
    compare(golden, page.screenshot(), tmp_path)


def test_the_comparison_can_fail(opened: Callable[..., Page], tmp_path: Path) -> None:
    """Another outcome at the top, or another layer's curves, are differences."""
    from PIL import Image  # noqa: PLC0415 - as above

    page = opened("analysis")
    with pytest.raises(AssertionError, match=r"far off|on average"):
        compare("report-light.png", page.screenshot(), tmp_path)
    white, grey = (Image.new("RGB", (4, 4), (level,) * 3) for level in (255, 250))
    assert difference(white, grey) == (5.0, 0.0)
    assert MEAN < 5
