"""A promotion that the gate refuses, as MLflow's own pages show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.screenshots import compare
from tests.registry.enforcement.places import Settings, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

    from tests.registry.enforcement.places import Place

pytestmark = pytest.mark.browser

MODEL = "fraud-detector"
PATIENCE = 60_000


@pytest.fixture(scope="module")
def enforcing(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A version that was blocked, and one that passed."""
    folder = tmp_path_factory.mktemp("enforcing")
    with served(Settings.make(folder), f"sqlite:///{folder / 'registry.db'}") as place:
        place.client.create_registered_model(MODEL)
        blocked = place.version(MODEL)
        place.deliver(blocked, place.maker.blocked(blocked))
        place.passed(MODEL)
        yield place


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def save_alias(page: Page, address: str | None, version: int) -> Locator:
    """Give a version the alias by clicking; return MLflow's dialog as it is then."""
    page.goto(f"{address}/#/models/{MODEL}/versions/{version}")
    page.get_by_role("heading", name=f"Version {version}").wait_for()
    page.get_by_role("button", name="Add aliases").or_(page.get_by_title("Add aliases")).first.click()
    dialog = page.get_by_role("dialog").filter(has_text="Add/Edit alias")
    dialog.get_by_role("combobox").click()
    page.keyboard.type("champion")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Save aliases").click()
    return dialog


def test_the_refusal_shows_in_mlflows_own_dialog(page: Page, enforcing: Place, tmp_path: Path) -> None:
    dialog = save_alias(page, enforcing.address, 1)
    alert = dialog.get_by_text("The gate refused alias 'champion'")
    alert.wait_for()
    said = alert.inner_text()
    assert "layer-alpha-in-range: 5 of 12 layers outside [2, 6]" in said
    assert f"{enforcing.address}/#/runs/0123456789abcdef0123456789abcdef" in said
    assert f"gate check 'models:/{MODEL}/1'" in said
    assert enforcing.holder(MODEL) is None
    page.wait_for_timeout(500)  # the dialog fades in
    compare("refusal.png", dialog.screenshot(animations="disabled"), tmp_path)


def test_what_passed_is_promoted_by_clicking(page: Page, enforcing: Place) -> None:
    dialog = save_alias(page, enforcing.address, 2)
    dialog.wait_for(state="hidden")
    assert enforcing.holder(MODEL) == 2
