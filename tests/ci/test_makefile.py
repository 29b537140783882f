"""What ``make`` would do, asked with ``--dry-run``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _would_run(target: str, environment: Path, **variables: str) -> str:
    given = [f"{name}={value}" for name, value in {"VENV": environment, **variables}.items()]
    clean = {name: value for name, value in os.environ.items() if name != "TORCH"}
    found = subprocess.run(
        ["make", "--dry-run", target, *given], cwd=ROOT, env=clean, capture_output=True, text=True, check=True
    )
    return found.stdout


def test_torch_is_added_to_an_environment_that_was_made_without(tmp_path: Path) -> None:
    (tmp_path / ".installed").touch()
    said = _would_run("setup", tmp_path, TORCH="2.13.0")
    assert "install --quiet torch==2.13.0" in said
    assert "venv" not in said


def test_what_is_installed_is_left_alone(tmp_path: Path) -> None:
    for stamp in (".installed", ".torch-2.13.0"):
        (tmp_path / stamp).touch()
    assert "pip install" not in _would_run("setup", tmp_path, TORCH="2.13.0")
    assert "pip install" not in _would_run("test", tmp_path)
