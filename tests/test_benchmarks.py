"""The benchmarks run: each of them can be called, and the shortest are."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_can_be_called(name: str) -> None:
    assert callable(import_module(f"benchmarks.{name}").run)


def test_a_smoke_test_measures_the_engine_alone() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--without-reference"]
        + [word for name in ("models", "floor", "growth") for word in ("--only", name)],
        cwd=Path(__file__).resolve().parent.parent,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "magika" in ended.stderr
    assert "median at least 8 times: –" in ended.stderr
