"""Goldens: rendered samples kept beside the tests; ``pytest tests/report --update-goldens`` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDENS = Path(__file__).parent / "goldens"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write the goldens of tests/report anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden of that name, byte for byte."""
    update: bool = request.config.getoption("--update-goldens", default=False)

    def compare(name: str, text: str) -> None:
        path = GOLDENS / name
        if update:
            path.write_bytes(text.encode())
        assert path.exists(), f"no golden {name}: run pytest tests/report --update-goldens and read it"
        assert text.encode() == path.read_bytes(), (
            f"{name} differs: if meant, --update-goldens and read the diff"
        )

    return compare
