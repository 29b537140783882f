"""Hand-built analyses and policies: every figure is the test's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gate.analysis.interface import Analysis, Coverage, Engine, FileFindings, Source
from gate.policy.interface import Baseline
from gate.policy.judge import judge
from gate.policy.load import parse_policy
from gate.spectra.conventions import GATE_1
from gate.spectra.interface import LayerMetrics
from gate.spectra.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gate.policy.interface import RuleResult, Verdict
    from gate.policy.rules import Policy

SETTINGS: Mapping[str, str | int | float | bool | list[str] | None] = {
    "ks": "untruncated",
    "precision": "float64",
    "seed": 0,
    "groups": ["default"],
}


def row(name: str, alpha: float | None = 3.0, **fields: Any) -> LayerMetrics:
    """Return a healthy 100×100 layer with λ_max = 10, but for what is given."""
    norm = fields.get("log_spectral_norm", 1.0)
    weighted = None if alpha is None or norm is None else alpha * norm
    known: dict[str, Any] = {
        "kind": "dense",
        "shape": (100, 100),
        "dtype": "float32",
        "parameters": 10_000,
        "rows": 100,
        "columns": 100,
        "matrices": 1,
        "eigenvalues": 100,
        "layer": name,
        "alpha": alpha,
        "alpha_standard_error": 0.1,
        "tail_size": 40,
        "log_spectral_norm": norm,
        "log_frobenius_norm": 2.0,
        "alpha_weighted": weighted,
        "stable_rank": 10.0,
        "ks_distance": 0.05,
        "phase": "heavy-tailed",
    }
    return LayerMetrics(name=name, **(known | fields))


def analysis(*rows: LayerMetrics, digest: str = "sha256:new", **fields: Any) -> Analysis:
    """Return the analysis of a fully covered model with these layers."""
    total = sum(item.parameters for item in rows)
    known: dict[str, Any] = {
        "source": Source("model.onnx", "onnx", digest, ()),
        "engine": Engine("0", "gate-1", dict(SETTINGS)),
        "coverage": Coverage(total, total, len(rows), len(rows), ()),
        "file": FileFindings(),
        "architecture": "sha256:same",
        "model": summarize(rows, GATE_1),
        "layers": rows,
    }
    return Analysis(**(known | fields))


def old(*rows: LayerMetrics, **fields: Any) -> Analysis:
    """Return a baseline's analysis."""
    return analysis(*rows, **({"digest": "sha256:old"} | fields))


def alphas(*values: float | None, **fields: Any) -> tuple[LayerMetrics, ...]:
    """Return one layer for each alpha, named l0, l1, …"""
    return tuple(row(f"l{index}", value, **fields) for index, value in enumerate(values))


def policy(*rules: str, head: str = "") -> Policy:
    """Return a policy of these rules (YAML flow mappings without id and description)."""
    lines = [f"  - {{id: r{index}, description: why, {rule}}}" for index, rule in enumerate(rules)]
    return parse_policy("\n".join(["version: 1", "name: test", head, "rules:", *lines]), "test.yaml")


def resolver(**known: Analysis | None) -> Callable[[str], Baseline]:
    """Resolve ``alias:champion`` to ``champion=…`` and so on; everything else is missing."""
    names = {"champion": "alias:champion", "previous": "previous", "first": "version:1"}
    found = {names[key]: value for key, value in known.items()}

    def resolve(spec: str) -> Baseline:
        other = found.get(spec)
        return Baseline(
            spec, None if other is None else "models:/m/1", other, "" if other else "no such version"
        )

    return resolve


def verdict_of(
    candidate: Analysis, *rules: str, baseline: Analysis | None = None, head: str = "", **options: Any
) -> Verdict:
    """Judge a candidate by rules in YAML."""
    known = {} if baseline is None else {"champion": baseline}
    return judge(candidate, [policy(*rules, head=head)], resolve=resolver(**known), **options)


def rule_of(candidate: Analysis, rule: str, **options: Any) -> RuleResult:
    """Judge a candidate by one rule, and return what it said."""
    return verdict_of(candidate, rule, **options).rules[0]


def changed(rows: Iterable[LayerMetrics], name: str, **fields: Any) -> tuple[LayerMetrics, ...]:
    """Return the rows with one of them changed."""
    return tuple(replace(item, **fields) if item.name == name else item for item in rows)
