"""Rules that compare two versions; expected values by hand."""
# ruff: noqa: E501 - a table of cases reads best with one case a line

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gate.policy import judge
from gate.spectra.conventions import WEIGHTWATCHER_0_7
from gate.spectra.summary import summarize
from tests.policy.build import (
    SETTINGS,
    alphas,
    analysis,
    changed,
    old,
    policy,
    resolver,
    row,
    rule_of,
    verdict_of,
)

if TYPE_CHECKING:
    from gate.policy.interface import Baseline

MODEL = "metric: model.alpha, against: baseline, max_increase: "
HAT = "metric: model.alpha_weighted, against: baseline, max_increase: "
LAYER = "metric: layer.alpha, against: baseline, max_increase: "


@pytest.mark.parametrize(("operator", "now", "outcome"), [
    ("max_increase: {absolute: 0.5}", 3.5, "passed"), ("max_increase: {absolute: 0.5}", 3.501, "failed"),
    ("max_increase: {absolute: 0.5}", 1.0, "passed"), ("max_decrease: {absolute: 0.5}", 2.499, "failed"),
    ("max_decrease: {absolute: 0.5}", 9.0, "passed"), ("max_change: {absolute: 0.5}", 2.499, "failed"),
    ("max_change: {absolute: 0.5}", 3.501, "failed"), ("max_change: {absolute: 0.5}", 2.5, "passed"),
    ("max_increase: {relative: 0.1}", 3.29, "passed"), ("max_increase: {relative: 0.1}", 3.31, "failed"),
    ("max_increase: {relative: 0.1, absolute: 1}", 3.31, "passed"),
    ("max_increase: {relative: 0.1, absolute: 0.2}", 3.31, "failed"),
])  # fmt: skip
def test_layers_are_compared_with_their_partners(operator: str, now: float, outcome: str) -> None:
    said = rule_of(
        analysis(*alphas(3.0, now)),
        f"metric: layer.alpha, against: baseline, {operator}",
        baseline=old(*alphas(3.0, 3.0)),
    )
    assert said.outcome == outcome
    if outcome == "failed":
        assert (said.layers[0].name, said.layers[0].value, said.layers[0].baseline_value) == ("l1", now, 3.0)


def test_significance_of_a_layer_is_in_both_standard_errors() -> None:
    # SE 0.3 and 0.4 give 0.5: a rise of 1.49 is 2.98 sigmas, one of 1.51 is 3.02.
    before = (row("a", 3.0, alpha_standard_error=0.4),)
    for rise, outcome in ((1.49, "passed"), (1.51, "failed")):
        now = (row("a", 3.0 + rise, alpha_standard_error=0.3),)
        assert rule_of(analysis(*now), LAYER + "{sigmas: 3}", baseline=old(*before)).outcome == outcome


def test_significance_is_held_over_all_layers() -> None:
    # Three layers, SE 1 each (√½ twice): Holm wants p ≤ 0.00135/3 for the first, z = 3.32, not 3.
    error = math.sqrt(0.5)
    before = old(*alphas(3.0, 3.0, 3.0, alpha_standard_error=error))
    for rise, outcome in ((3.31, "passed"), (3.33, "failed")):
        now = analysis(*alphas(3.0, 3.0, 3.0 + rise, alpha_standard_error=error))
        assert rule_of(now, LAYER + "{sigmas: 3}", baseline=before).outcome == outcome


def test_allow_counts_the_rejected_layers() -> None:
    before, now = old(*alphas(3.0, 3.0, 3.0)), analysis(*alphas(3.0, 3.0, 7.0))
    assert rule_of(now, LAYER + "{sigmas: 3}, allow: {count: 1}", baseline=before).outcome == "passed"
    assert rule_of(now, LAYER + "{sigmas: 3, absolute: 5}", baseline=before).outcome == "passed"


def test_without_a_standard_error_a_rise_counts_as_significant() -> None:
    before, rule = old(*alphas(3.0, alpha_standard_error=None)), LAYER + "{sigmas: 3}"
    for value, outcome in ((3.001, "failed"), (3.0, "passed"), (2.0, "passed")):
        now = analysis(*alphas(value, alpha_standard_error=None))
        assert rule_of(now, rule, baseline=before).outcome == outcome


def test_near_zero_log_norms_have_no_relative_change() -> None:
    rule = "metric: layer.log_spectral_norm, against: baseline, max_increase: {relative: 0.1}"
    before, now = old(row("a", log_spectral_norm=0.4)), analysis(row("a", log_spectral_norm=0.9))
    assert rule_of(now, rule, baseline=before).outcome == "inconclusive"
    before = old(row("a", log_spectral_norm=-2.0))  # the limit is -2 + 0.1·2 = -1.8
    assert rule_of(analysis(row("a", log_spectral_norm=-1.81)), rule, baseline=before).outcome == "passed"
    assert rule_of(analysis(row("a", log_spectral_norm=-1.79)), rule, baseline=before).outcome == "failed"


def test_undecided_layers_matter_only_where_they_could_tip_the_scale() -> None:
    rule = (
        "metric: layer.log_spectral_norm, against: baseline, max_increase: {relative: 0.1}, allow: {count: 1}"
    )
    before = old(row("a", log_spectral_norm=0.4), row("b"))
    assert (
        rule_of(analysis(row("a", log_spectral_norm=0.9), row("b")), rule, baseline=before).outcome
        == "passed"
    )
    now = analysis(row("a", log_spectral_norm=0.9), row("b", log_spectral_norm=3.0))
    assert rule_of(now, rule, baseline=before).outcome == "inconclusive"


def test_a_partner_outside_the_rule_is_no_baseline() -> None:
    before, now = old(row("a"), row("b", tail_size=3)), analysis(row("a"), row("b", 7.0))
    said = rule_of(now, LAYER + "{absolute: 1}, where: {min_tail: 20}", baseline=before)
    assert (said.outcome, said.evaluated, said.excluded) == ("passed", 1, ("b",))


# Means of the model


def test_a_mean_is_taken_over_the_layers_that_count_in_both() -> None:
    # l2 counts now (5) and did not in the baseline (9): the means compared are 3.2 and 3.0, not 3.8 and 3.0.
    said = rule_of(
        analysis(*alphas(3.0, 3.4, 5.0)), MODEL + "{absolute: 0.5}", baseline=old(*alphas(3.0, 3.0, 9.0))
    )
    assert said.outcome == "passed"
    assert said.value == pytest.approx(3.2, rel=1e-15)
    assert said.baseline_value == pytest.approx(3.0, rel=1e-15)


@pytest.mark.parametrize(("fields", "why"), [
    ({"alpha": 9.0, "alpha_weighted": 9.0}, "alpha 9 is 8 or above"),
    ({"alpha": None, "alpha_weighted": None, "reason": "all equal"}, "all equal"),
    ({"flags": ("no-scale",)}, "no fit or no scale"),
])  # fmt: skip
def test_damage_may_not_improve_the_mean(fields: dict[str, object], why: str) -> None:
    # engine, section 8: 3, 4, 7.9 average 4.97; with the last layer ruined 3, 4 average 3.5.
    before = alphas(3.0, 4.0, 7.9)
    now = changed(before, "l2", **fields)
    assert analysis(*now).model.alpha == pytest.approx(3.5)
    said = rule_of(analysis(*now), MODEL + "{absolute: 0.5}", baseline=old(*before))
    assert (said.outcome, said.layers[0].name, said.layers[0].why) == ("failed", "l2", why)
    assert said.value == pytest.approx(3.5)
    assert said.baseline_value == pytest.approx(14.9 / 3)


def test_a_failed_fit_that_a_convention_counts_as_minus_one_is_a_failure_too() -> None:
    engine = replace(analysis().engine, convention="weightwatcher-0.7")
    before = alphas(3.0, 4.0)
    now = changed(before, "l1", alpha=None, alpha_weighted=None)
    model = summarize(now, WEIGHTWATCHER_0_7)
    assert model.alpha == pytest.approx(1.0)
    said = rule_of(
        analysis(*now, engine=engine, model=model),
        MODEL + "{absolute: 0.5}",
        baseline=old(*before, engine=engine),
    )
    assert (said.outcome, said.layers[0].name) == ("failed", "l1")


def test_sigmas_are_of_the_paired_layers() -> None:
    # Differences 0.1 … 0.5: mean 0.3, paired SE 0.1·√½ = 0.0707: 4.24 sigmas.  The fits' SE is
    # √(5·(0.01² + 0.01²))/5 = 0.0063, the smaller.
    before = alphas(3.0, 3.0, 3.0, 3.0, 3.0, alpha_standard_error=0.01)
    now = alphas(3.1, 3.2, 3.3, 3.4, 3.5, alpha_standard_error=0.01)
    for sigmas, outcome in ((4.2, "failed"), (4.3, "passed")):
        said = rule_of(analysis(*now), f"{MODEL}{{sigmas: {sigmas}, absolute: 0.05}}", baseline=old(*before))
        assert said.outcome == outcome
    said = rule_of(analysis(*now), MODEL + "{sigmas: 4.2, absolute: 0.05}", baseline=old(*before))
    assert "standard error 0.07071; moved most: l4 3 -> 3.5, l3 3 -> 3.4, l2 3 -> 3.3" in said.message


def test_sigmas_are_of_the_fits_where_those_are_less_sure() -> None:
    # Every layer rises by 0.3 exactly, so the paired SE is 0; the fits' SE is √(5·(0.3²+0.4²))/5 = 0.2236.
    before = alphas(*[3.0] * 5, alpha_standard_error=0.4)
    now = alphas(*[3.3] * 5, alpha_standard_error=0.3)
    for sigmas, outcome in ((1.3, "failed"), (1.4, "passed")):
        said = rule_of(analysis(*now), f"{MODEL}{{sigmas: {sigmas}, absolute: 0.05}}", baseline=old(*before))
        assert said.outcome == outcome
    # AlphaHat's error is alpha's times log10 λ_max: with λ_max = 100 the change and its error double alike.
    before = alphas(*[3.0] * 5, alpha_standard_error=0.4, log_spectral_norm=2.0)
    now = alphas(*[3.3] * 5, alpha_standard_error=0.3, log_spectral_norm=2.0)
    for sigmas, outcome in ((1.3, "failed"), (1.4, "passed")):
        said = rule_of(analysis(*now), f"{HAT}{{sigmas: {sigmas}, absolute: 0.05}}", baseline=old(*before))
        assert said.outcome == outcome


def test_a_significant_change_of_nothing_passes() -> None:
    # Scaling all weights by 1.0001: log10 λ rises by 8.7e-5 in every layer, a paired SE of almost 0.
    step = 2 * math.log10(1.0001)
    before = tuple(row(f"l{i}", 3 + i / 40, alpha_standard_error=1e-9) for i in range(40))
    now = tuple(
        replace(item, log_spectral_norm=1 + step, alpha_weighted=(item.alpha or 0) * (1 + step))
        for item in before
    )
    assert (
        rule_of(analysis(*now), HAT + "{sigmas: 3, absolute: 0.05}", baseline=old(*before)).outcome
        == "passed"
    )
    assert (
        rule_of(analysis(*now), HAT + "{sigmas: 3, absolute: 0.0003}", baseline=old(*before)).outcome
        == "failed"
    )


def test_fewer_than_five_common_layers_are_inconclusive_unless_the_other_limit_is_kept() -> None:
    before, rule = old(*alphas(*[3.0] * 4)), MODEL + "{sigmas: 3, absolute: 0.5}"
    said = rule_of(analysis(*alphas(*[4.0] * 4)), rule, baseline=before)
    assert (said.outcome, said.value, said.baseline_value) == ("inconclusive", 4.0, 3.0)
    assert "fewer than 5" in said.message
    assert rule_of(analysis(*alphas(*[3.4] * 4)), rule, baseline=before).outcome == "passed"
    five = old(*alphas(*[3.0] * 5))
    assert rule_of(analysis(*alphas(*[4.0] * 5)), rule, baseline=five).outcome == "failed"


def test_a_small_alphahat_has_no_relative_change() -> None:
    before = old(*alphas(4.0, 4.0, log_spectral_norm=0.1))  # AlphaHat 0.4
    now = analysis(*alphas(4.0, 4.0, log_spectral_norm=0.2))
    assert rule_of(now, HAT + "{relative: 0.1}", baseline=before).outcome == "inconclusive"
    assert rule_of(now, HAT + "{absolute: 0.1}", baseline=before).outcome == "failed"
    below = old(*alphas(4.0, 4.0, log_spectral_norm=-1.0))  # -4: the limit is -4 + 0.1·4 = -3.6
    for norm, outcome in ((-0.91, "passed"), (-0.89, "failed")):
        now = analysis(*alphas(4.0, 4.0, log_spectral_norm=norm))
        assert rule_of(now, HAT + "{relative: 0.1}", baseline=below).outcome == outcome


def test_the_same_artifact_differs_by_nothing() -> None:
    same = analysis(*alphas(3.0))
    for rule in (MODEL + "{sigmas: 3, absolute: 0}", LAYER + "{sigmas: 3}"):
        said = rule_of(same, rule, baseline=same)
        assert (said.outcome, said.value) == ("passed", 0)


def test_medians_and_weighted_means_are_over_the_common_layers_too() -> None:
    before, now = old(*alphas(3.0, 4.0, 9.0)), analysis(*alphas(3.0, 5.0, 6.0))
    for field, then, value in (("alpha_median", 3.5, 4.0), ("alpha_by_parameters", 3.5, 4.0)):
        said = rule_of(
            now, f"metric: model.{field}, against: baseline, max_increase: {{absolute: 0.4}}", baseline=before
        )
        assert (said.outcome, said.baseline_value, said.value) == ("failed", then, value)


def test_counts_are_compared_as_they_stand() -> None:
    rule = "metric: model.excluded_layers, against: baseline, max_increase: {absolute: 0}"
    assert rule_of(analysis(*alphas(3.0, 9.0)), rule, baseline=old(*alphas(3.0, 3.0))).outcome == "failed"
    assert rule_of(analysis(*alphas(3.0, 9.0)), rule, baseline=old(*alphas(9.0, 3.0))).outcome == "passed"


# Labels

LOST = "metric: layer.phase, against: baseline, may_not_become: [random-like, rank-collapse]"


@pytest.mark.parametrize(("then", "now", "outcome"), [
    ("heavy-tailed", "random-like", "failed"), ("random-like", "random-like", "passed"),
    ("random-like", "rank-collapse", "failed"), ("random-like", "heavy-tailed", "passed"),
    ("heavy-tailed", "bulk-decay", "passed"),
])  # fmt: skip
def test_what_a_layer_may_not_become(then: str, now: str, outcome: str) -> None:
    said = rule_of(analysis(row("a", phase=now)), LOST, baseline=old(row("a", phase=then)))
    assert said.outcome == outcome
    if outcome == "failed":
        assert said.message.endswith(f"worst: a {then} -> {now}")


def test_a_flag_may_not_appear() -> None:
    rule = "metric: layer.flags, against: baseline, may_not_become: [dead-slice, constant]"
    before = old(row("a", flags=("dead-slice",)))
    assert (
        rule_of(analysis(row("a", flags=("dead-slice", "short-tail"))), rule, baseline=before).outcome
        == "passed"
    )
    assert (
        rule_of(analysis(row("a", flags=("dead-slice", "constant"))), rule, baseline=before).outcome
        == "failed"
    )


# Pairing and likeness


def test_renamed_layers_pair_by_order() -> None:
    before = old(row("0", 3.0), row("1", 5.0), row("2", 3.0))
    now = analysis(row("1", 3.0), row("2", 5.0), row("3", 7.0))
    said = rule_of(now, LAYER + "{absolute: 1}", baseline=before)
    assert [(layer.name, layer.baseline_value) for layer in said.layers] == [("3", 3.0)]


def test_reordered_layers_pair_by_name() -> None:
    before, now = old(row("a", 3.0), row("b", 5.0)), analysis(row("b", 5.0), row("a", 3.0))
    assert rule_of(now, LAYER + "{absolute: 1}", baseline=before).outcome == "passed"


def test_a_missing_layer_failed() -> None:
    said = rule_of(analysis(row("a")), LAYER + "{absolute: 1}", baseline=old(row("a"), row("b")))
    assert (said.outcome, said.layers[0].name, said.layers[0].why) == (
        "failed",
        "b",
        "missing, unlike in the baseline",
    )
    said = rule_of(analysis(row("a")), MODEL + "{absolute: 1}", baseline=old(row("a"), row("b")))
    assert (said.outcome, said.layers[0].name) == ("failed", "b")


@pytest.mark.parametrize(("fields", "why"), [
    ({"architecture": "sha256:other"}, "shapes"),
    ({"engine": replace(analysis().engine, convention="paper")}, "convention: paper before, gate-1 now"),
    ({"engine": replace(analysis().engine, settings={**SETTINGS, "precision": "float32"})}, "settings: precision"),
    ({"file": replace(analysis().file, batch_norms=2)}, "batch norms are folded in one of them: 2 before, 0 now"),
    ({"layers": alphas(3.0, dtype="int8")}, "precision"),
])  # fmt: skip
def test_unlike_versions_do_not_compare(fields: dict[str, Any], why: str) -> None:
    other = replace(old(*alphas(3.0)), **fields)
    verdict = verdict_of(analysis(*alphas(9.0)), LAYER + "{absolute: 1}", baseline=other)
    assert not verdict.baselines[0].comparable
    assert why in verdict.baselines[0].why
    assert verdict.outcome == "blocked"
    assert verdict.baseline_alpha == {}


def test_other_groups_of_metrics_do_not_make_versions_unlike() -> None:
    other = old(
        *alphas(3.0), engine=replace(analysis().engine, settings={**SETTINGS, "groups": ["default", "tails"]})
    )
    assert verdict_of(analysis(*alphas(3.0)), LAYER + "{absolute: 1}", baseline=other).outcome == "passed"


def test_the_verdict_carries_what_it_compared_with() -> None:
    verdict = verdict_of(analysis(row("a", 3.5)), LAYER + "{absolute: 1}", baseline=old(row("b", 3.0)))
    assert verdict.baseline_alpha == {"a": 3.0}  # by the candidate's names
    assert verdict.baseline_model["alpha"] == 3.0
    assert (verdict.baselines[0].spec, verdict.baselines[0].digest) == ("alias:champion", "sha256:old")


def test_a_broken_resolver_is_not_a_missing_baseline() -> None:
    def refuse(_: str) -> Baseline:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        judge(analysis(row("a")), [policy(LAYER + "{absolute: 1}")], resolve=refuse)


def test_each_baseline_is_looked_up_once() -> None:
    asked: list[str] = []
    known = resolver(first=old(row("a")))

    def counting(spec: str) -> Baseline:
        asked.append(spec)
        return known(spec)

    rules = [
        LAYER + "{absolute: 1}",
        "metric: model.alpha, against: version:1, max_increase: {absolute: 1}",
        MODEL + "{absolute: 1}",
    ]
    judge(analysis(row("a")), [policy(*rules), policy(*rules)], resolve=counting)
    assert sorted(asked) == ["alias:champion", "previous", "version:1"]
