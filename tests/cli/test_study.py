"""``gate study`` as a user runs it: a table of figures, formats, and mistakes with their exit codes."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import gate
from tests.mlflow_server import free_port
from tests.study.build import planted

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Figures with Simpson's paradox planted in log_spectral_norm, one row without a quality."""
    path = tmp_path_factory.mktemp("figures") / "figures.csv"
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(["model", "depth", "log_spectral_norm", "test_accuracy"])
    for place, data in enumerate(planted([-1] * 6, range(6))):
        writer.writerows(
            [f"net {place}.{index}", place + 2, x, y]
            for index, (x, y) in enumerate(zip(data.x, data.y, strict=True))
        )
    writer.writerow(["nothing known", 2, 1.0, ""])
    path.write_text(rows.getvalue(), encoding="utf-8")
    return path


def test_json_in_a_pipe_is_data_alone_and_what_was_left_out_is_said(table: Path) -> None:
    done = gate("study", table, "--group", "depth", "--quality", "test_accuracy", "--format", "json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    (metric,) = found["metrics"]
    assert (found["schema"], metric["metric"]) == ("gate/study/1", "log_spectral_norm")
    assert (metric["shape_or_scale"], metric["simpson"], len(metric["groups"])) == ("scale", "strict", 6)
    assert [each["model"] for each in found["left_out"]] == ["nothing known"]
    assert done.stderr == "gate: 1 model left out, each named with its reason\n"


def test_text_is_plain_in_a_pipe_and_html_goes_to_a_file(table: Path, tmp_path: Path) -> None:
    text = gate("study", table, "--quiet")
    assert text.returncode == 0
    assert text.stderr == ""
    assert "\x1b" not in text.stdout
    assert "Simpson's paradox (strict) in log_spectral_norm" in text.stdout
    assert "nothing known: it has no test_accuracy" in text.stdout
    page = tmp_path / "study.html"
    html = gate("study", table, "--format", "html", "-o", page)
    assert (html.returncode, html.stdout) == (0, "")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_same_seed_gives_the_same_bytes(table: Path) -> None:
    first, again, other = (
        gate("study", table, "--format", "json", "--seed", str(seed)).stdout for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_mistakes_are_usage_errors(table: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.csv"
    torn.write_text("a,b\n1\n", encoding="utf-8")
    for arguments, said in (
        (["study"], "SOURCE"),
        (["study", table, "--format", "sarif"], "a study has no format 'sarif'"),
        (["study", table, "--group", "width"], "no model has a sub-group called 'width'"),
        (["study", table, "--better", "bigger"], "higher or lower, not 'bigger'"),
        (["study", tmp_path / "gone.csv"], "cannot read"),
        (["study", torn], "torn.csv:2: 1 cells where the header has 2"),
    ):
        done = gate(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert said in done.stderr


def test_too_little_to_study_and_a_dead_server_are_other_codes(tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("model,depth,alpha,accuracy\nx,1,2,0.5\ny,1,3,0.6\n", encoding="utf-8")
    done = gate("study", few)
    assert done.returncode == 4
    assert "2 of 2 models" in done.stderr
    dead = gate("study", "experiment:sweep", "--tracking-uri", f"http://127.0.0.1:{free_port()}")
    assert dead.returncode == 3
    assert dead.stdout == ""
