"""``gate compare`` as a person uses it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.cli.command import gate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    weights = {f"l{index}.weight": draw.standard_normal((60, 40)).astype(np.float32) for index in range(3)}
    save_file(weights, tmp_path / "a.safetensors")
    half = {name: values.astype(np.float16) for name, values in weights.items()}
    save_file(half, tmp_path / "half.safetensors")
    save_file({"other.weight": weights["l0.weight"][:, :7].copy()}, tmp_path / "other.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    ("other", "relation"), [("a", "identical"), ("half", "quantised"), ("other", "different")]
)
def test_it_exits_0_whenever_it_could_compare(work: Path, other: str, relation: str) -> None:
    done = gate("compare", "a.safetensors", f"{other}.safetensors", "--format", "json", folder=work)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["relation"] == relation
    assert len(document["pairs"]) + len(document["unmatched_a"]) == 3


def test_files_are_written_whole_in_every_format(work: Path) -> None:
    for name, begins in (("html", "<!doctype html>"), ("markdown", "## "), ("text", "THE SAME WEIGHTS")):
        done = gate(
            "compare", "a.safetensors", "half.safetensors", "-f", name, "-o", f"out.{name}", folder=work
        )
        assert (done.returncode, done.stdout) == (0, "")
        assert (work / f"out.{name}").read_text(encoding="utf-8").startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("a.safetensors",), 2),
        (("a.safetensors", "none.safetensors"), 2),
        (("a.safetensors", "a.safetensors", "-f", "csv"), 2),
        (("a.safetensors", "broken.safetensors"), 3),
    ],
)
def test_what_cannot_be_compared_is_told(work: Path, arguments: tuple[str, ...], code: int) -> None:
    (work / "broken.safetensors").write_bytes((work / "a.safetensors").read_bytes()[:1000])
    done = gate("compare", *arguments, folder=work)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("gate: ")
