"""A baseline that somebody named and that cannot be measured is a mistake, not a missing one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import gate
from gate.errors import ExitCode, UsageError
from gate.workflow.check import CheckRequest, check_source

if TYPE_CHECKING:
    from pathlib import Path

MATRIX = {"dense.weight": np.random.default_rng(0).standard_normal((64, 48)).astype(np.float32)}
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
