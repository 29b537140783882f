"""The browser that the tests drive: Debian's Chromium through playwright, which downloads nothing itself."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PACKAGES = ("playwright", "axe_playwright_python", "PIL")


def executable() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def missing() -> list[str]:
    """Return what the browser tests need and this machine has not."""
    needed = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    return needed if executable() else [*needed, "chromium"]


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Run it without a window; as root it cannot build its sandbox, and all it opens is our own."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only the browser tests have it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(),
            args=["--no-sandbox", "--font-render-hinting=none", "--force-color-profile=srgb"],
        )
        try:
            yield browser
        finally:
            browser.close()
