"""The program that attacks the readers attacks each of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fuzz.subjects import subjects


def test_every_format_is_attacked() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--seconds", "0.5"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = [line for line in ended.stdout.splitlines() if " damaged models, " in line]
    assert [line.partition(":")[0] for line in told] == list(subjects())
