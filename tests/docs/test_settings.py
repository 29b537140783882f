"""Every variable the gate reads is documented, and every documented one is read."""

from __future__ import annotations

import re
from pathlib import Path

from docs.generate import settings_page
from gate.cli.settings import GROUPS

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_SETTINGS = frozenset({"GATE_1", "GATE_OUTCOME", "GATE_POLICY_PASSED"})
"""A convention's name in capitals, what the CI script prints, a level in a signed summary."""


def named_in_code() -> set[str]:
    files = [file for file in (ROOT / "gate").rglob("*.py") if file.name != "settings.py"]
    return {
        name
        for file in files
        for name in re.findall(r"\bGATE_[A-Z0-9_]*[A-Z0-9]\b", file.read_text(encoding="utf-8"))
        if not name.startswith("GATE_CI_")
    } - NOT_SETTINGS


def test_every_variable_in_the_code_is_on_the_page() -> None:
    page = set(re.findall(r"^\| `(GATE_\w+)`", settings_page(), re.MULTILINE))
    assert named_in_code() == page


def test_no_variable_is_explained_twice() -> None:
    names = [name for settings in GROUPS.values() for name in settings]
    assert len(names) == len(set(names))
