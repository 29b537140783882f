"""What holds for every test."""

from __future__ import annotations

import os

import pytest

COMPARED_WITH = ("torch", "transformers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where CI says that torch must be there, a test that would skip without it fails at once."""
    if os.environ.get("GATE_REQUIRE_TORCH") != "1" or not items:
        return
    import importlib.util  # noqa: PLC0415

    missing = [name for name in COMPARED_WITH if importlib.util.find_spec(name) is None]
    if missing:
        pytest.exit(f"GATE_REQUIRE_TORCH is set and these are missing: {', '.join(missing)}", returncode=3)
