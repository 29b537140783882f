"""Readers, metrics and formats of a package beside the gate: a real process, a real distribution."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from safetensors.numpy import save_file

MODULE = '''
import json
from pathlib import Path
import numpy as np
from gate.spectra.interface import Metric


class Condition:
    """The ratio of the largest to the smallest eigenvalue, as log10."""

    metric = Metric(
        "layer.log_condition", "layer", "log_condition", "Log condition", "log10(largest/smallest)", "",
        "lower", "shape", "default", "a textbook",
    )

    def measure(self, eigenvalues, rows, columns):
        return float(np.log10(eigenvalues[-1] / eigenvalues[0])) if len(eigenvalues) > 1 else None


class Careless:
    metric = Metric("layer.careless", "layer", "careless", "", "", "", None, "shape", "default", "")

    def measure(self, eigenvalues, rows, columns):
        eigenvalues[0] = 0.0


class TextReader:
    """Matrices as numbers in lines."""

    format = "plain-numbers"
    suffixes = (".numbers",)

    def matches(self, path):
        return path.suffix == ".numbers"

    def read(self, path, *, root):
        from gate.layer import WeightLayer
        from gate.weights.interface import ModelWeights

        values = np.loadtxt(path)
        layer = WeightLayer(
            name="dense", kind="dense", shape=values.shape, stored_shape=values.shape, dtype="float64",
            tensor="dense", read=lambda: values,
        )
        return ModelWeights(format=self.format, files=(path.name,), layers=(layer,))


class Short:
    name = "short"
    suffix = ".txt"

    def verdict(self, verdict):
        return verdict.outcome + "\\n"

    def analysis(self, analysis):
        return f"{len(analysis.layers)} layers\\n"


class Wrong(TextReader):
    def read(self, path, *, root):
        return path.no_such_attribute
'''
ENTRY_POINTS = """
    [gate.metrics]
    log_condition = spectral_extras:Condition
    careless = spectral_extras:Careless
    alpha = spectral_extras:Condition
    gone = spectral_extras:NotThere
    [gate.readers]
    numbers = spectral_extras:TextReader
    wrong = spectral_extras:Wrong
    [gate.formats]
    short = spectral_extras:Short
"""
POLICY = """
version: 1
name: conditioned
rules:
  - id: conditioned
    description: No layer is nearly singular
    metric: layer.log_condition
    at_most: 3
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an installed distribution, as pip leaves one."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "spectral_extras.py").write_text(MODULE)
    info = folder / "spectral_extras-1.4.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spectral-extras\nVersion: 1.4.2\n")
    (info / "entry_points.txt").write_text(dedent(ENTRY_POINTS))
    return folder


@pytest.fixture(scope="module")
def weights() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(3).standard_normal((120, 60))


@pytest.fixture(scope="module")
def model(site: Path, weights: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Path:
    path = site / "model.safetensors"
    save_file({"dense.weight": weights}, path)
    return path


def gate(site: Path, plugins: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "GATE_PLUGINS": plugins, "GATE_CACHE": "off"}
    command = [str(Path(sys.executable).with_name("gate")), *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_an_installed_plugin_changes_nothing_until_it_is_named(site: Path, model: Path) -> None:
    found = gate(site, "", "analyze", model, "--format", "json")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    assert "plugins" not in document["engine"]["settings"]
    assert all("extra" not in layer for layer in document["layers"])


def test_a_metric_is_measured_and_its_version_is_on_record(
    site: Path, model: Path, weights: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> None:
    found = gate(site, "metrics:log_condition", "analyze", model, "--format", "json")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    expected = 2 * np.log10(np.linalg.cond(weights))
    assert document["layers"][0]["extra"]["log_condition"] == pytest.approx(expected, rel=1e-9)
    assert document["engine"]["settings"]["plugins"] == ["metrics:log_condition (spectral-extras 1.4.2)"]
    table = gate(site, "metrics:log_condition", "analyze", model, "--format", "csv").stdout
    header, row = (line.split(",") for line in table.splitlines())
    assert float(row[header.index("log_condition")]) == pytest.approx(expected, rel=1e-9)


def test_a_policy_may_use_it_only_where_it_is_named(site: Path, model: Path) -> None:
    policy = site / "conditioned.yaml"
    policy.write_text(POLICY)
    judged = gate(site, "metrics:log_condition", "check", model, "--policy", policy, "--format", "json")
    assert judged.returncode == 0, judged.stderr
    verdict = json.loads(judged.stdout)
    assert [rule["outcome"] for rule in verdict["rules"]] == ["passed"]
    policy.write_text(POLICY.replace("at_most: 3", "at_most: 0.01"))
    assert gate(site, "metrics:log_condition", "check", model, "--policy", policy).returncode == 1
    unknown = gate(site, "", "check", model, "--policy", policy)
    assert unknown.returncode == 2
    assert "layer.log_condition" in unknown.stderr


def test_a_reader_opens_its_format_alone_and_in_a_folder(
    site: Path, tmp_path: Path, weights: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> None:
    np.savetxt(tmp_path / "model.numbers", weights)
    assert gate(site, "", "analyze", tmp_path).returncode != 0
    for source in (tmp_path, tmp_path / "model.numbers"):
        found = gate(site, "readers:numbers", "analyze", source, "--format", "json")
        assert found.returncode == 0, found.stderr
        document = json.loads(found.stdout)
        assert document["source"]["format"] == "plain-numbers"
        assert document["engine"]["settings"]["plugins"] == ["readers:numbers (spectral-extras 1.4.2)"]
        largest = np.linalg.norm(weights, 2)
        assert document["layers"][0]["largest_singular_value"] == pytest.approx(largest, rel=1e-9)


def test_a_format_prints_and_is_listed_where_a_name_is_wrong(site: Path, model: Path) -> None:
    assert gate(site, "formats:short", "analyze", model, "--format", "html").returncode == 0
    checked = gate(site, "formats:short", "check", model, "--format", "short")
    assert checked.stdout.strip() in {"passed", "warned", "blocked", "inconclusive"}
    wrong = gate(site, "formats:short", "check", model, "--format", "shorter")
    assert wrong.returncode == 2
    assert "gitlab, short" in wrong.stderr
    assert gate(site, "", "check", model, "--format", "short").returncode == 2


@pytest.mark.parametrize(
    ("named", "code", "said"),
    [
        ("metrics:entropy_of_entropies", 2, "no installed package offers"),
        ("gadgets:log_condition", 2, "no plugin"),
        ("log_condition", 2, "no plugin"),
        ("metrics:gone", 2, "cannot be loaded"),
        ("metrics:alpha", 3, "has no entry with the id layer.alpha"),
        ("metrics:careless", 3, "read-only"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    site: Path, model: Path, named: str, code: int, said: str
) -> None:
    found = gate(site, named, "check", model)
    assert found.returncode == code, found.stderr
    assert said in found.stderr
    assert found.stdout == ""


def test_a_fault_of_a_reader_is_the_readers(site: Path, tmp_path: Path) -> None:
    (tmp_path / "model.numbers").write_text("1 2")
    found = gate(site, "readers:wrong", "analyze", tmp_path / "model.numbers")
    assert found.returncode == 3
    assert "the reader readers:wrong (spectral-extras 1.4.2) failed" in found.stderr
