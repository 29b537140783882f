"""Running the command as a user does: its own process, its real exit code, stdout and stderr apart."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GATE = [sys.executable, "-c", "from gate.cli import main; main()"]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, without a registry or settings of the user's own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "GATE_"))}
    cache = os.environ.get("GATE_MODEL_CACHE")
    models = {"GATE_MODEL_CACHE": cache} if cache else {}
    return {**kept, **models, "GATE_CACHE": "off", **(changes or {})}


def gate(
    *arguments: str | Path, folder: Path | None = None, changes: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``gate`` with ``arguments`` to its end."""
    return subprocess.run(
        [*GATE, *map(str, arguments)],
        cwd=folder,
        env=environment(changes),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
