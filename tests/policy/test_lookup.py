"""The order in which baselines are tried."""

from __future__ import annotations

import pytest

from gate.policy import judge
from gate.policy.interface import Baseline
from tests.policy.build import alphas, analysis, old, policy

AGAINST = "metric: layer.alpha, against: baseline, max_increase: {absolute: 1}"


@pytest.mark.parametrize("named_by", ["policy", "caller"])
def test_none_ends_the_list(named_by: str) -> None:
    asked: list[str] = []

    def resolve(spec: str) -> Baseline:
        asked.append(spec)
        return Baseline(spec, spec, old(*alphas(9.0)) if spec == "version:1" else None, "")

    specs = ["alias:champion", "none", "version:1"]
    use = f"[{', '.join(specs)}]" if named_by == "policy" else "[version:1]"
    ruled = policy(AGAINST, head=f"baseline: {{use: {use}, when_missing: block}}")
    given = specs if named_by == "caller" else None
    verdict = judge(analysis(*alphas(3.0)), [ruled], resolve=resolve, baselines=given)
    assert asked == ["alias:champion"]
    assert verdict.outcome == "blocked"
    assert "baseline.when_missing is block" in verdict.rules[0].message
