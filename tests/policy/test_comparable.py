"""Which baselines compare, wholly or in part, and what is said of metrics that are not apt for a change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gate.analysis.architecture import rows_fingerprint
from gate.policy import policy_digest
from gate.policy.changes import CHANGES, KINDS_OF_CHANGE
from gate.policy.explain import explain
from gate.policy.metrics import metric_table
from tests.policy.build import analysis, policy, row, verdict_of

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis
    from gate.spectra.interface import LayerMetrics

ALPHA = "metric: layer.alpha, against: baseline, max_increase: {absolute: 0.5}"
MEAN = "metric: model.alpha, against: baseline, max_increase: {absolute: 0.1}"
NORM = "metric: model.log_spectral_norm, against: baseline, max_increase: {absolute: 0.1}"
PARTIAL = "baseline: {partial: compare, when_not_comparable: warn}"


def model(*rows: LayerMetrics, **fields: Any) -> Analysis:
    fingerprints = {
        "architecture": rows_fingerprint(rows),
        "layout": rows_fingerprint(rows, ordered=False),
        "digest": f"sha256:{abs(hash(str(rows))):064x}",
    }
    return analysis(*rows, **(fingerprints | fields))


def layer(
    name: str, alpha: float = 3.0, norm: float = 1.0, columns: int = 100, **fields: Any
) -> LayerMetrics:
    shape = (100, columns)
    return row(
        name,
        alpha,
        shape=shape,
        parameters=100 * columns,
        log_spectral_norm=norm,
        log_frobenius_norm=norm + 1,
        entropy=norm / 10,
        **fields,
    )


BEFORE = (
    layer("a", 3.0, 1.0),
    layer("b", 4.0, 2.0),
    layer("c", 5.0, 3.0, columns=50),
    layer("head", 3.0, 1.0, 10),
)


def test_a_reordered_and_renamed_model_is_comparable_layer_by_layer() -> None:
    now = [replace(item, name=f"new.{item.name}", layer=f"new.{item.name}") for item in reversed(BEFORE)]
    moved = [replace(item, alpha=(item.alpha or 0) + (1.0 if item.name == "new.b" else 0.0)) for item in now]
    verdict = verdict_of(model(*moved), ALPHA, baseline=model(*BEFORE))
    (baseline,) = verdict.baselines
    assert (baseline.comparable, baseline.partial, baseline.change) == (True, False, "retrained")
    assert [(found.name, found.baseline_value, found.value) for found in verdict.rules[0].layers] == [
        ("new.b", 4.0, 5.0)
    ]


def test_the_same_spectra_under_other_names_are_a_re_export() -> None:
    now = [replace(item, name=f"new.{item.name}") for item in reversed(BEFORE)]
    verdict = verdict_of(model(*now, digest="sha256:other"), NORM, baseline=model(*BEFORE))
    assert verdict.baselines[0].change == "re-exported"
    assert "mind:" not in verdict.rules[0].message


def replaced_head(alpha: float = 3.0) -> Analysis:
    return model(
        *(replace(item, alpha=alpha + index) for index, item in enumerate(BEFORE[:3])),
        layer("head", 9.0, 1.0, 20),
    )


def test_another_architecture_decides_as_before_unless_the_policy_asks_for_the_common_part() -> None:
    verdict = verdict_of(
        replaced_head(), MEAN, baseline=model(*BEFORE), head="baseline: {when_not_comparable: warn}"
    )
    assert verdict.rules[0].outcome == "not_applicable"
    assert not verdict.baselines[0].comparable
    assert verdict.baselines[0].change == "architecture"


def test_the_common_part_is_compared_and_the_rest_named() -> None:
    same = verdict_of(replaced_head(), MEAN, ALPHA, baseline=model(*BEFORE), head=PARTIAL)
    assert [rule.outcome for rule in same.rules] == ["passed", "passed"]
    assert (same.rules[0].value, same.rules[0].baseline_value) == (4.0, 4.0)  # without either head
    baseline = same.baselines[0]
    assert (baseline.comparable, baseline.partial, baseline.change) == (True, True, "partial")
    # 100·100 + 100·100 + 100·50 of these and 100·10 of the head
    assert "3 layers with 96.2 % of the baseline's weights" in baseline.why
    assert "without a partner now: head; new: head" in baseline.why
    assert "on the common part: 3 layers" in same.rules[0].message
    worse = verdict_of(replaced_head(4.0), MEAN, baseline=model(*BEFORE), head=PARTIAL)
    assert worse.outcome == "blocked"


def test_too_little_in_common_is_not_compared() -> None:
    other = model(
        layer("a", columns=77), layer("b", columns=78), layer("c", 5.0, 3.0, 50), layer("head", columns=10)
    )
    verdict = verdict_of(other, MEAN, baseline=model(*BEFORE), head=PARTIAL)
    assert verdict.rules[0].outcome == "not_applicable"
    # the layers with 50 and 10 columns, of 260
    assert "only 23.1 % of the baseline's weights are in common" in verdict.rules[0].message


@pytest.mark.parametrize(
    ("change", "why"),
    [({"dtype": "int8"}, "stored in another precision"), ({"dtype": "float16"}, "another precision")],
)
def test_a_partial_comparison_asks_for_the_same_precision(change: dict[str, Any], why: str) -> None:
    coarse = model(*(replace(item, **change) for item in replaced_head().layers))
    verdict = verdict_of(coarse, MEAN, baseline=model(*BEFORE), head=PARTIAL)
    assert verdict.rules[0].outcome == "not_applicable"
    assert why in verdict.rules[0].message


def test_a_lost_layer_of_the_same_architecture_is_still_lost() -> None:
    # The fingerprint is of the weights: equal fingerprints and a missing row mean a layer nobody measured.
    before, now = model(*BEFORE), model(*BEFORE[:3])
    now = replace(now, architecture=before.architecture, layout=before.layout)
    verdict = verdict_of(now, MEAN, baseline=before, head=PARTIAL)
    assert (verdict.rules[0].outcome, verdict.rules[0].layers[0].name) == ("failed", "head")


def test_policies_without_the_option_keep_their_digest_and_the_option_changes_it() -> None:
    plain, refusing, comparing = (
        policy_digest(policy(MEAN, head=head), "gate-1")
        for head in ("", "baseline: {partial: refuse}", "baseline: {partial: compare}")
    )
    assert plain == refusing != comparing


def test_a_scale_metric_is_cautioned_against_for_a_retrained_model_and_a_shape_metric_is_not() -> None:
    now = [replace(item, alpha=(item.alpha or 0) + 0.01) for item in BEFORE]
    norm, mean = verdict_of(model(*now), NORM, MEAN, baseline=model(*BEFORE)).rules
    assert "mind: model.log_spectral_norm is a scale metric" in norm.message
    assert "arXiv:2106.00734" in norm.message
    assert norm.outcome == "passed"
    assert "mind:" not in mean.message


def test_the_decision_table_is_that_of_the_contest_study_and_every_row_has_its_source() -> None:
    # Table 5 of arXiv:2106.00734: shape metrics for hyperparameters, scale metrics for depth.
    assert KINDS_OF_CHANGE["retrained"].unfit == ("scale",)
    assert KINDS_OF_CHANGE["architecture"].unfit == ("shape",)
    assert all(change.source and change.why for change in CHANGES)
    assert all(not set(change.apt) & set(change.unfit) for change in CHANGES)
    natures = {metric.id: metric.nature for metric in metric_table().values()}
    assert (natures["model.alpha"], natures["model.log_spectral_norm"], natures["model.alpha_weighted"]) == (
        "shape",
        "scale",
        "mixed",
    )


def test_explain_shows_the_table_and_what_a_rule_is_not_apt_for() -> None:
    words = " ".join(explain(policy(NORM, head="baseline: {partial: compare}")).split())
    assert "as a scale metric it is not apt where the model was retrained, partial, folded, pruned" in words
    assert "the part in common is compared" in words
    for change in CHANGES:
        assert f"{change.name} ({change.means})" in words
        assert change.source in words
    assert "retrained (" not in explain(policy("metric: layer.alpha, within: [2, 6]"))
