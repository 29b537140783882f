"""Whole studies of planted tables: what is found, what is said, and what is never dropped."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gate.errors import NothingToMeasureError, UsageError
from gate.study import LeftOut, ModelRow, Study, study
from tests.study.build import QUICK, planted, rows

if TYPE_CHECKING:
    from gate.study.interface import Answer, Change

LEVELS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)


def _answer(found: Study, metric: str, change: Change) -> Answer:
    return next(each.answer for each in found.judgements if (each.metric, each.change) == (metric, change))


def _two_metrics() -> list[ModelRow]:
    """Quality falls with alpha everywhere; with log_spectral_norm within sub-groups, and rises over all."""
    shape = rows(planted([-1.0] * 6, [-level for level in LEVELS], noise=0.05))
    scale = rows(planted([-1.0] * 6, [-level for level in LEVELS], noise=0.05), "log_spectral_norm")
    return [
        replace(
            row,
            metrics={
                "alpha": row.metrics["alpha"],
                "log_spectral_norm": (other.metrics["log_spectral_norm"] or 0.0)
                - 2 * (int(row.labels["depth"]) - 2),
            },
        )
        for row, other in zip(shape, scale, strict=True)
    ]


def test_a_metric_that_holds_everywhere_may_gate_both_changes() -> None:
    found = study(_two_metrics(), "depth", "test_accuracy", settings=QUICK)
    assert _answer(found, "alpha", "hyperparameters") == "may"
    assert _answer(found, "alpha", "architecture") == "may"
    said = "alpha (shape metric) may gate, lower is better"
    assert any(line.startswith("Between models of the same depth") and said in line for line in found.advice)


def test_a_reversed_metric_may_gate_only_where_it_holds() -> None:
    found = study(_two_metrics(), "depth", "test_accuracy", settings=QUICK)
    norm = found.metric("model.log_spectral_norm")
    assert norm.simpson == "strict"
    assert norm.simpson_test.significant
    assert _answer(found, "log_spectral_norm", "hyperparameters") == "may"
    assert _answer(found, "log_spectral_norm", "architecture") == "may not"
    words = " ".join(found.advice)
    assert (
        "Simpson's paradox (strict) in log_spectral_norm: over all models test_accuracy rises with it"
        in words
    )
    assert "within every one of 6 sub-groups it falls" in words
    assert (
        "log_spectral_norm (scale metric) may not gate: reversed: here higher values go with better" in words
    )


def test_direction_of_quality_turns_what_better_means() -> None:
    table = [replace(row, qualities={"test_loss": -(row.qualities["test_accuracy"] or 0)})
             for row in _two_metrics()]  # fmt: skip
    found = study(table, "depth", "test_loss", settings=QUICK)
    assert found.quality_better == "lower"
    assert _answer(found, "alpha", "hyperparameters") == "may"
    other = study(table, "depth", "test_loss", settings=QUICK, quality_better="higher")
    assert _answer(other, "alpha", "hyperparameters") == "may not"


def test_noise_may_not_gate_and_is_not_called_too_little() -> None:
    generator = np.random.default_rng(4)
    table = [ModelRow(f"{place}", {"alpha": float(generator.standard_normal())},
                      {"test_accuracy": float(generator.standard_normal())}, {"depth": str(place % 3)})
             for place in range(60)]  # fmt: skip
    found = study(table, "depth", "test_accuracy", settings=QUICK)
    assert _answer(found, "alpha", "hyperparameters") == "not shown"
    assert _answer(found, "alpha", "architecture") == "too little"  # three means cannot be significant
    assert any("no metric may gate test_accuracy" in line for line in found.advice)


def test_more_metrics_tried_ask_for_stronger_evidence() -> None:
    """Six models in perfect order have p = 2/720: enough for one metric, too little for 20."""
    table = [ModelRow(f"{x}", {"alpha": -float(x)}, {"acc": x + 0.0}, {"depth": "3"}) for x in range(6)]
    assert _answer(study(table, "depth", "acc", settings=QUICK), "alpha", "hyperparameters") == "may"
    many = [replace(row, metrics={**row.metrics, **{f"m{place}": math.sin(place * (index + 1) ** 2)
                                                    for place in range(1, 20)}})
            for index, row in enumerate(table)]  # fmt: skip
    found = study(many, "depth", "acc", settings=QUICK)
    assert _answer(found, "alpha", "hyperparameters") == "too little"


def test_a_contradicting_sub_group_stands_in_the_way() -> None:
    sets = planted([-1, -1, -1, -1, 1], [0] * 5)
    found = study(rows(sets), "depth", "test_accuracy", settings=QUICK)
    judged = next(each for each in found.judgements if each.change == "hyperparameters")
    assert judged.answer == "may not"
    assert "reversed in 1 of 5 sub-groups" in judged.evidence


def test_small_sub_groups_are_named_and_counted_in_the_pooled_figures() -> None:
    table = rows(planted([1, 1], [0, 1], n=8)) + rows(planted([1], [5], n=3))
    table = [
        replace(row, labels={"depth": "9"} if index >= 16 else row.labels) for index, row in enumerate(table)
    ]
    found = study(table, "depth", "test_accuracy", settings=QUICK)
    assert [(size.group, size.n) for size in found.small_groups] == [("9", 3)]
    metric = found.metric("alpha")
    assert [group.group for group in metric.groups] == ["2", "3"]
    assert [(size.group, size.n) for size in metric.small_groups] == [("9", 3)]
    assert metric.pooled.n == 19
    assert any("fewer than 5" in line and "9 (3)" in line for line in found.advice)


def test_a_model_without_quality_group_or_number_is_named_with_the_reason() -> None:
    table = rows(planted([1], [0], n=6))
    odd = [
        ModelRow("no quality", {"alpha": 1.0}, {}, {"depth": "2"}),
        ModelRow("no depth", {"alpha": 1.0}, {"test_accuracy": 1.0}),
        ModelRow("not finite", {"alpha": 1.0}, {"test_accuracy": math.inf}, {"depth": "2"}),
    ]
    found = study(
        [*odd, *table], "depth", "test_accuracy", settings=QUICK, left_out=[LeftOut("torn", "no zip file")]
    )
    assert [(each.model, each.reason) for each in found.left_out] == [
        ("torn", "no zip file"),
        ("no depth", "it has no depth"),
        ("no quality", "it has no test_accuracy"),
        ("not finite", "its test_accuracy is not a usable number"),
    ]
    assert len(found.models) == 6


def test_a_missing_figure_leaves_out_its_model_for_that_metric_alone() -> None:
    table = rows(planted([1, 1], [0, 1], n=8))
    distances = [None, math.nan, *map(float, range(14))]
    table = [
        replace(row, metrics={**row.metrics, "ks_distance": distance})
        for row, distance in zip(table, distances, strict=True)
    ]
    found = study(table, "depth", "test_accuracy", settings=QUICK)
    assert found.metric("alpha").pooled.n == 16
    assert found.metric("ks_distance").pooled.n == 14
    assert [metric.metric for metric in found.metrics] == ["alpha", "ks_distance"]  # the engine's order


def test_the_order_of_the_rows_does_not_matter() -> None:
    table = _two_metrics()
    shuffled = random.Random(1).sample(table, len(table))  # noqa: S311 - a test's order
    assert study(table, "depth", "test_accuracy", settings=QUICK) == study(
        shuffled, "depth", "test_accuracy", settings=QUICK
    )


def test_several_keys_make_their_combinations() -> None:
    table = [replace(row, labels={**row.labels, "family": "conv" if index % 2 else "dense"})
             for index, row in enumerate(rows(planted([1, 1], [0, 1])))]  # fmt: skip
    found = study(table, ("family", "depth"), "test_accuracy", settings=QUICK)
    assert found.group == "family × depth"
    assert {size.group: size.n for size in found.groups} == {
        "conv / 2": 6, "conv / 3": 6, "dense / 2": 6, "dense / 3": 6,
    }  # fmt: skip


def test_an_overtrained_sub_group_is_found() -> None:
    generator = np.random.default_rng(8)

    def group(depth: str, slope: float) -> list[ModelRow]:
        train = np.sort(generator.uniform(0.8, 1.0, 14))
        test = 0.8 + slope * (train - 0.9) + 0.003 * generator.standard_normal(14)
        return [ModelRow(f"{depth}.{index}", {"alpha": float(index)},
                         {"test_accuracy": float(y), "train_accuracy": float(x)}, {"depth": depth})
                for index, (x, y) in enumerate(zip(train, test, strict=True))]  # fmt: skip

    found = study(
        [*group("2", 0.5), *group("3", -0.5)],
        "depth",
        "test_accuracy",
        training_quality="train_accuracy",
        settings=QUICK,
    )
    assert found.training is not None
    assert found.training.overtrained == ("3",)
    assert [each.overtrained for each in found.training.groups] == ["no", "yes"]
    assert any(line.startswith("Overtrained (train_accuracy improves while test_accuracy gets worse): 3")
               for line in found.advice)  # fmt: skip


def test_metrics_are_held_against_each_other() -> None:
    table = [replace(row, metrics={"alpha": row.metrics["alpha"], "twice": 2 * (row.metrics["alpha"] or 0)})
             for row in rows(planted([1, 1], [0, 1]))]  # fmt: skip
    (pair,) = study(table, "depth", "test_accuracy", settings=QUICK).correlations
    assert (pair.a, pair.b, pair.n) == ("alpha", "twice", 24)
    assert (pair.kendall_tau, pair.r2, pair.average_kendall_tau) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize(
    ("group", "quality", "metric", "said"),
    [
        ("width", "test_accuracy", "alpha", "no model has a sub-group called 'width'"),
        ("depth", "accuracy", "alpha", "no model has a quality called 'accuracy'"),
        ("depth", "test_accuracy", "beta", "no model has a value of the metric 'beta'"),
    ],
)
def test_a_mistyped_name_is_told_with_those_there_are(
    group: str, quality: str, metric: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        study(rows(planted([1], [0])), group, quality, metrics=[metric], settings=QUICK)
    assert caught.value.hint is not None
    assert any(name in caught.value.hint for name in ("depth", "test_accuracy", "alpha"))


def test_two_models_are_too_few() -> None:
    with pytest.raises(NothingToMeasureError):
        study(rows(planted([1], [0], n=2)), "depth", "test_accuracy", settings=QUICK)


def test_no_rows_are_too_few() -> None:
    with pytest.raises(NothingToMeasureError):
        study([], "depth", "test_accuracy", settings=QUICK)
