from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import launched, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    lacking = missing()
    if lacking:
        pytest.skip(f"missing: {', '.join(lacking)}")
    with launched() as found:
        yield found
