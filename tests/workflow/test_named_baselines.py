"""A baseline that somebody named and that is not there, or cannot be measured, is a mistake."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import gate
from gate.errors import ExitCode, UsageError
from gate.registry import Registry
from gate.workflow.check import CheckRequest, check_source
from gate.workflow.sources import RegistryAddress
from tests.registry.conftest import Place, make_model

if TYPE_CHECKING:
    from pathlib import Path

MATRIX = {"dense.weight": np.random.default_rng(0).standard_normal((64, 48)).astype(np.float32)}
MODEL = "fraud"
VECTOR = {"norm.weight": np.ones(48, np.float32)}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Return a policy whose every rule is off where there is no baseline; its own cannot be measured."""
    save_file(VECTOR, tmp_path / "vector.safetensors")
    file = tmp_path / "policy.yaml"
    file.write_text(
        "version: 1\nname: lenient\nwhen_nothing_to_measure: pass\n"
        f"baseline: {{use: ['{tmp_path / 'vector.safetensors'}'], when_missing: pass}}\n"
        "rules:\n  - id: norm-not-higher\n    description: The norm does not rise\n"
        "    metric: model.log_spectral_norm\n    against: baseline\n    max_increase: {absolute: 0.5}\n"
    )
    return file


def test_named_on_the_command_line(policy: Path, tmp_path: Path) -> None:
    model, empty, torn = (str(tmp_path / f"{name}.safetensors") for name in ("model", "vector", "torn"))
    save_file(MATRIX, model)
    (tmp_path / "torn.safetensors").write_bytes(b"\xff" * 64)
    for named in ((empty,), (torn,), (empty, model)):
        with pytest.raises(UsageError, match=r"baseline .* cannot be measured") as raised:
            check_source(CheckRequest(model, (policy,), named))
        assert raised.value.exit_code == ExitCode.USAGE
    assert check_source(CheckRequest(model, (policy,), (model,))).verdict.outcome == "passed"


@pytest.mark.parametrize("baseline", [VECTOR, {"norm": np.ones(3)}])
def test_given_in_python(policy: Path, baseline: Any) -> None:
    with pytest.raises(UsageError, match="cannot be measured"):
        gate.check(MATRIX, policies=policy, baseline=baseline)
    with pytest.raises(UsageError):
        gate.check(MATRIX, policies=policy, baseline={})
    assert gate.check(MATRIX, policies=policy, baseline=MATRIX).outcome == "passed"


def test_those_of_the_policy_are_missing(policy: Path) -> None:
    verdict = gate.check(MATRIX, policies=policy)
    assert [item.comparable for item in verdict.baselines] == [False]
    assert "it cannot be measured" in verdict.baselines[0].why
    assert "baseline.when_missing is pass" in verdict.rules[0].message


def test_nothing_to_measure_on_both_sides_is_no_mistake(policy: Path) -> None:
    assert gate.check(VECTOR, policies=policy, baseline=VECTOR).outcome == "passed"


@pytest.fixture
def third(policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckRequest:
    """Return a request to check version 3 of a model with the alias champion on its first."""
    monkeypatch.delenv("GATE_SIGNING_KEY", raising=False)
    uri = f"sqlite:///{tmp_path / 'registry.db'}"
    place = Place(Registry.connect(uri), (tmp_path / "store").as_uri())
    folder = make_model(tmp_path / "files", seed=0)
    for _ in range(3):
        place.version(MODEL, folder)
    place.registry.set_alias(MODEL, "champion", 1)
    return CheckRequest(f"models:/{MODEL}/3", (policy,), address=RegistryAddress(uri, uri))


@pytest.mark.parametrize(
    "named",
    [
        ("version:77",),
        (f"models:/{MODEL}/77",),
        ("models:/frau/1",),
        ("runs:/0123456789abcdef/model",),
        ("version:77", "alias:champoin"),
        (f"models:/{MODEL}@champoin", "previous", "version:77"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_recorded(
    third: CheckRequest, named: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError, match="there is no baseline to compare with: ") as raised:
        check_source(replace(third, baselines=named))
    assert all(spec in raised.value.message for spec in named)
    registry = Registry.connect(third.address.registry_uri)
    assert registry.decision(registry.resolve(third.source)) is None


@pytest.mark.parametrize(
    "named", [("version:77", "version:1"), ("version:77", "none"), ("none", "version:77")]
)
def test_what_comes_after_it_in_the_list_is_taken(third: CheckRequest, named: tuple[str, ...]) -> None:
    assert check_source(replace(third, baselines=named, record=False)).verdict.outcome == "passed"


@pytest.mark.parametrize("named", ["alias:champoin", f"models:/{MODEL}@champoin"])
def test_an_alias_may_not_be_set_yet_and_the_caller_hears_of_it(third: CheckRequest, named: str) -> None:
    result = check_source(replace(third, baselines=(named,), record=False))
    assert result.verdict.outcome == "passed"
    (note,) = [note for note in result.notes if "compared with nothing" in note]
    assert note.startswith(f"compared with nothing, since no baseline was found: {named}: there is none")
    assert "its aliases: champion" in note


def test_a_first_version_has_nothing_to_be_compared_with(third: CheckRequest, policy: Path) -> None:
    policy.write_text(re.sub(r"use: \[.*?\]", "use: [alias:champion, previous]", policy.read_text()))
    Registry.connect(third.address.registry_uri).connection.client.delete_registered_model_alias(
        MODEL, "champion"
    )
    for version, told in ((1, False), (2, True)):
        request = replace(third, record=False, source=f"models:/{MODEL}/{version}")
        notes = check_source(request).notes
        assert any("compared with nothing" in note for note in notes) is told


def test_a_file_is_no_version_of_anything(third: CheckRequest, tmp_path: Path) -> None:
    model = str(tmp_path / "model.safetensors")
    save_file(MATRIX, model)
    with pytest.raises(UsageError, match="the model that is checked is no registered version"):
        check_source(replace(third, source=model, baselines=("version:1",)))
    assert (
        check_source(replace(third, source=model, baselines=("alias:champion",))).verdict.outcome == "passed"
    )
