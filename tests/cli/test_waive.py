"""``gate waive`` and ``gate check --waivers`` as a person uses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.cli.command import gate

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """\
version: 1
name: tight
baseline: {use: [none], when_missing: pass}
rules:
  - {id: no-layer, description: no layer is good enough, metric: layer.alpha, at_most: 1.1}
  - {id: finite, description: weights are numbers, metric: layer.flags, not_in: [not-finite]}
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    weights = np.random.default_rng(0).standard_normal((60, 40)).astype(np.float32)
    save_file({"fc.weight": weights}, tmp_path / "m.safetensors")
    (tmp_path / "tight.yaml").write_text(POLICY, encoding="utf-8")
    return tmp_path


WAIVE = ("waive", "m.safetensors", "--rule", "no-layer", "--reason", "a  first\ntry", "--approver", "Ada")
CHECK = ("check", "m.safetensors", "--policy", "tight.yaml", "--format", "json", "-q")


def test_a_waived_model_passes_until_its_bytes_change(work: Path) -> None:
    assert gate(*CHECK, folder=work).returncode == 1
    added = gate(*WAIVE, "--expires", "30d", folder=work)
    assert (added.returncode, added.stdout) == (0, "")
    assert "no-layer is waived for sha256:" in added.stderr
    passed = gate(*CHECK, "--waivers", "waivers.yaml", folder=work)
    assert passed.returncode == 0, passed.stderr
    verdict = json.loads(passed.stdout)
    assert verdict["outcome"] == "passed"
    assert [rule["outcome"] for rule in verdict["rules"]] == ["waived", "passed"]
    (waiver,) = verdict["waivers"]
    assert waiver["digest"] == verdict["analysis"]["source"]["digest"]
    assert (waiver["state"], waiver["reason"]) == ("used", "a first try")
    assert verdict["waived_until"] == waiver["expires"]

    changed = np.random.default_rng(1).standard_normal((60, 40)).astype(np.float32)
    save_file({"fc.weight": changed}, work / "m.safetensors")
    by_variable = gate(*CHECK, folder=work, changes={"GATE_WAIVERS": "waivers.yaml"})
    assert by_variable.returncode == 1
    (waiver,) = json.loads(by_variable.stdout)["waivers"]
    assert waiver["state"] == "unused"
    assert "this one has sha256:" in waiver["why"]


def test_an_expired_waiver_is_reported_and_not_honoured(work: Path) -> None:
    gate(*WAIVE, "--expires", "2099-01-01", folder=work)
    file = work / "waivers.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("2099", "2001"), encoding="utf-8")
    done = gate(*CHECK[:-3], "--waivers", "waivers.yaml", folder=work)
    assert done.returncode == 1
    assert "expired (it ended at 2001-01-01T00:00:00Z)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*WAIVE, "--expires", "2001-01-01"), "has passed"),
        ((*WAIVE[:6], "--approver", "Ada"), "--expires"),
        ((*WAIVE, "--expires", "30d", "--file", "."), "is a folder"),
        ((*WAIVE, "--expires", "30d", "--file", "tight.yaml"), "tight.yaml:2:1: unknown key 'name'"),
        (("waive", "none.onnx", *WAIVE[2:], "--expires", "30d"), "none.onnx"),
        ((*CHECK, "--waivers", "none.yaml"), "none.yaml: the file does not exist"),
        ((*CHECK, "--waivers", "tight.yaml"), "tight.yaml:1:1: the key 'waivers' is missing"),
    ],
)
def test_what_cannot_be_used_is_said_and_writes_nothing(
    work: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = {path.name: path.read_bytes() for path in work.iterdir()}
    done = gate(*arguments, folder=work)
    assert done.returncode == 2
    assert said in done.stderr
    assert {path.name: path.read_bytes() for path in work.iterdir()} == before


@pytest.mark.parametrize("flag", ["--reason", "--approver"])
def test_an_empty_answer_is_the_flag_s_mistake_and_not_the_file_s(work: Path, flag: str) -> None:
    place = WAIVE.index(flag) + 1
    done = gate(*WAIVE[:place], " ", *WAIVE[place + 1 :], "--expires", "30d", folder=work)
    assert done.returncode == 2
    assert f"{flag} is empty" in done.stderr
    assert not (work / "waivers.yaml").exists()
