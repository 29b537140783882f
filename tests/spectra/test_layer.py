"""Figures of one layer against closed forms, and layers that have none."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gate.spectra import LayerMetrics, Settings, convention
from gate.spectra.flags import FLAGS
from gate.spectra.layer import measure
from gate.spectra.spectrum import Spectrum
from tests.spectra.layers import Held, gaussian, layer_of, pareto, row_of, with_eigenvalues

if TYPE_CHECKING:
    from gate.layer import LayerKind

FIGURES = [
    field.name
    for field in dataclasses.fields(LayerMetrics)
    if field.default is None and field.name not in {"reason", "matrix_rank", "rank_loss"}
]


def figures(row: LayerMetrics) -> dict[str, float]:
    return {name: getattr(row, name) for name in FIGURES if getattr(row, name) is not None}


def test_norms_of_a_known_spectrum() -> None:
    planted = np.array([1.0, 2.0, 4.0, 8.0, 10.0] * 5) * np.linspace(1, 1.1, 25)
    planted.sort()
    row = row_of(layer_of(with_eigenvalues(planted, 40)))
    total, largest = planted.sum(), planted.max()
    shares = planted / total
    assert row.alpha is not None
    assert row.log_frobenius_norm == pytest.approx(math.log10(total))
    assert row.log_spectral_norm == pytest.approx(math.log10(largest))
    assert row.log_alpha_schatten_norm == pytest.approx(math.log10((planted**row.alpha).sum()))
    assert row.alpha_weighted == pytest.approx(row.alpha * math.log10(largest))
    assert row.stable_rank == pytest.approx(total / largest)
    assert row.entropy == pytest.approx(-(shares * np.log(shares)).sum() / math.log(25))
    assert row.spectral_gap == pytest.approx(planted[-1] / planted[-2])
    assert row.participation_ratio == pytest.approx(total**2 / (planted**2).sum())
    assert row.smallest_singular_value == pytest.approx(math.sqrt(planted[0]))
    assert row.largest_singular_value == pytest.approx(math.sqrt(largest))
    assert (row.matrix_rank, row.rank_loss, row.eigenvalues) == (25, 0, 25)
    assert row.scale_spread is None


@pytest.mark.parametrize("alpha", [2.0, 3.0, 4.0])
def test_a_planted_tail_is_found_through_random_rotations(alpha: float) -> None:
    for seed in range(4):
        row = row_of(layer_of(with_eigenvalues(pareto(400, alpha, seed), 500).astype(np.float32)))
        assert row.alpha is not None
        assert row.alpha_sigma is not None
        assert abs(row.alpha - alpha) < 3 * row.alpha_sigma
        assert row.alpha_standard_error is not None
        assert 1.0 <= row.alpha_standard_error / row.alpha_sigma < 1.8


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_the_schatten_norm_of_extreme_scales_stays_finite(scale: float) -> None:
    planted = np.sort(np.random.default_rng(0).gamma(200, 1, 200)) * scale  # alpha about 15
    row = row_of(layer_of(with_eigenvalues(planted, 200)))
    assert row.alpha is not None
    assert row.alpha > 8
    assert "not-heavy-tailed" in row.flags
    logs = row.alpha * np.log10(planted)
    expected = logs.max() + math.log10((10 ** (logs - logs.max())).sum())
    assert row.log_alpha_schatten_norm == pytest.approx(expected)


def test_nan_and_infinity_are_counted_and_nothing_else_is_said() -> None:
    values = gaussian(64, 48)
    values[0, :3] = np.nan
    values[5, 5] = np.inf
    row = row_of(layer_of(values))
    assert row.flags == ("not-finite",)
    assert row.reason == "3 weights are NaN and 1 infinite"
    assert figures(row) == {}
    assert row.matrix_rank is None


def test_zeros() -> None:
    row = row_of(layer_of(np.zeros((12, 9), np.float32)))
    assert row.flags == ("all-zero",)
    assert figures(row) == {}
    assert (row.matrix_rank, row.rank_loss) == (0, 9)


@pytest.mark.parametrize("scale", [1e-39, 1e-20])
def test_a_layer_without_scale_has_no_figures(scale: float) -> None:
    row = row_of(layer_of((gaussian(64, 48) * scale).astype(np.float32)))
    assert row.flags == ("no-scale",)
    assert figures(row) == {}
    assert row.reason is not None


def test_squares_that_underflow_or_overflow_are_not_called_zero_or_nan() -> None:
    below = row_of(layer_of(gaussian(30, 20) * 1e-200))
    assert below.flags == ("no-scale",)
    above = row_of(layer_of(gaussian(30, 20) * 1e200))
    assert above.flags == ("not-finite",)
    assert above.reason == "the squares of the weights overflow"


def test_a_constant_matrix_has_rank_one_and_no_tail() -> None:
    row = row_of(layer_of(np.full((40, 30), 0.5, np.float32)))
    assert {"constant", "no-fit"} <= set(row.flags)
    assert row.alpha is None
    assert row.matrix_rank == 1
    assert row.rank_loss == 29
    assert row.stable_rank == pytest.approx(1)
    assert row.entropy is None
    assert row.smallest_singular_value == 0.0
    assert row.log_spectral_norm == pytest.approx(math.log10(0.25 * 1200))


def test_the_identity_has_no_tail() -> None:
    row = row_of(layer_of(np.eye(32, dtype=np.float32)))
    assert row.alpha is None
    assert row.reason == "all eigenvalues are equal"
    assert row.stable_rank == pytest.approx(32)
    assert row.entropy == pytest.approx(1)


def test_a_single_row_has_one_eigenvalue() -> None:
    row = row_of(layer_of(np.array([[3.0, 4.0]])))
    assert row.alpha is None
    assert row.log_spectral_norm == pytest.approx(math.log10(25))
    assert row.spectral_gap is None


def test_duplicated_rows_lower_the_rank_and_leave_the_tail_to_what_is_left() -> None:
    values = np.repeat(gaussian(30, 100), 4, axis=0).astype(np.float32)
    row = row_of(layer_of(values))
    once = row_of(layer_of(values[::4]))
    assert row.matrix_rank == 30
    assert row.rank_loss == 70
    assert "near-singular" in row.flags
    assert row.smallest_singular_value == 0.0
    assert row.alpha == pytest.approx(once.alpha, rel=1e-6)


@pytest.mark.parametrize("dead", [0.0, 1e-39, 1e-20])
def test_a_dead_slice_is_flagged_and_does_not_reach_the_fit(dead: float) -> None:
    values = gaussian(64, 32, 3, 3).astype(np.float32)
    values[:, :, 1, 1] *= dead
    row = row_of(layer_of(values, "conv2d"))
    assert "dead-slice" in row.flags
    assert row.matrix_rank == 8 * 32
    others = np.delete(values.reshape(64, 32, 9), 4, axis=2)
    alone = row_of(layer_of(others, "conv1d"))
    assert row.alpha == pytest.approx(alone.alpha, rel=1e-9)
    assert row.x_min == pytest.approx(alone.x_min)
    assert row.scale_spread == pytest.approx(alone.scale_spread)


@pytest.mark.parametrize(
    ("planted", "flag"),
    [
        (pareto(200, 1.6), "over-trained"),
        (pareto(300, 7.5, seed=3), "under-trained"),
        (pareto(15, 3.0), "small-sample"),
        (pareto(15, 3.0), "short-tail"),
        (np.linspace(1, 2, 200), "few-decades"),
        (np.linspace(1, 4, 400) ** 0.5, "truncated-tail"),
    ],
)
def test_flags(planted: np.ndarray[tuple[int], np.dtype[np.float64]], flag: str) -> None:
    assert flag in row_of(layer_of(with_eigenvalues(planted, len(planted) + 10))).flags


def test_a_clean_tail_raises_no_flag() -> None:
    assert row_of(layer_of(with_eigenvalues(pareto(500, 2.5, seed=2), 600))).flags == ()


def test_two_tails_that_fit_alike_have_no_clear_minimum() -> None:
    planted = np.sort(np.concatenate([pareto(300, 6.0, seed=4), 2 * pareto(20, 2.0, seed=5)]))
    row = row_of(layer_of(with_eigenvalues(planted, 400)))
    assert "no-clear-minimum" in row.flags
    assert has_rival(planted, row)


def test_one_tail_has_a_clear_minimum() -> None:
    planted = pareto(460, 2.5)
    row = row_of(layer_of(with_eigenvalues(planted, 600)))
    assert "no-clear-minimum" not in row.flags
    assert not has_rival(planted, row)


def has_rival(planted: np.ndarray[tuple[int], np.dtype[np.float64]], row: LayerMetrics) -> bool:
    """Decide from every candidate what the flag decided from a sample of them."""
    assert row.alpha is not None
    assert row.alpha_sigma is not None
    assert row.ks_distance is not None
    for start in range(len(planted) - 1):
        tail = planted[start:]
        alpha = 1 + len(tail) / np.log(tail / tail[0]).sum()
        gap = np.abs(1 - (tail / tail[0]) ** (1 - alpha) - np.arange(len(tail)) / len(tail)).max()
        sigma = max((alpha - 1) / math.sqrt(len(tail)), row.alpha_sigma)
        if gap <= 1.05 * row.ks_distance and abs(alpha - row.alpha) > 3 * sigma:
            return True
    return False


def test_single_precision_is_close_and_flagged() -> None:
    values = with_eigenvalues(pareto(300, 2.5), 400).astype(np.float32)
    double, single = row_of(layer_of(values)), row_of(layer_of(values), float32=True)
    assert "float32" in single.flags
    assert single.alpha == pytest.approx(double.alpha, rel=3e-5)


def test_every_flag_is_documented() -> None:
    rows = [
        row_of(layer_of(values))
        for values in (
            gaussian(40, 30),
            np.zeros((9, 9)),
            np.eye(30),
            np.ones((9, 9)),
            gaussian(10, 10) * 1e-30,
        )
    ]
    assert {flag for row in rows for flag in row.flags} <= set(FLAGS)


def test_weightwatcher_reports_null_where_it_fails() -> None:
    row = row_of(layer_of(np.full((64, 64), 0.5, np.float32)), "weightwatcher-0.7")
    assert row.alpha is None
    assert row.matrix_rank == 1
    assert row.rank_loss == 63


def test_plots_hold_the_spectrum_and_keep_to_their_size() -> None:
    result = measure(layer_of(gaussian(900, 700), name="a"), Settings(convention("gate-1")))
    drawn = result.plots["a"]
    assert sum(drawn.counts) == 700
    assert len(drawn.edges) == len(drawn.counts) + 1
    assert min(drawn.curve_ks_distance) == result.rows[0].ks_distance
    assert result.rows[0].x_min in drawn.curve_x_min
    numbers = [*drawn.edges, *drawn.counts, *drawn.counts, *drawn.curve_x_min, *drawn.curve_ks_distance]
    assert len(numbers) <= 256
    assert all(math.isfinite(number) for number in numbers)


def test_the_seed_of_a_row_depends_on_its_name_and_the_settings_seed_alone() -> None:
    def seed(name: str, settings_seed: int, largest: float = 1.0) -> int:
        values = np.array([largest])
        return Spectrum(name, (), values, values, values[None], 1, 1, 0.0, None, settings_seed).seed

    assert seed("a", 1) == seed("a", 1, largest=2.0)
    assert seed("a", 1) != seed("b", 1)
    assert seed("a", 1) != seed("a", 2)
    assert seed("\udcff", 1) >= 0


@pytest.mark.parametrize("scale", [1e152, 1.5e152, 2e152, 3e152, 4e152, 1e200, 1e300])
@pytest.mark.parametrize(
    ("shape", "kind"), [((40, 40, 3, 3), "conv2d"), ((300, 200), "dense"), ((300, 1), "dense")]
)
def test_what_leaves_the_range_is_a_flag_and_no_warning(
    scale: float, shape: tuple[int, ...], kind: LayerKind
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row = row_of(layer_of(gaussian(*shape) * scale, kind))
    if "not-finite" in row.flags:
        assert row.reason == "the squares of the weights overflow"
        assert not figures(row)
    else:
        assert all(map(math.isfinite, figures(row).values()))
        assert "log_frobenius_norm" in figures(row)
    assert ("not-finite" in row.flags) >= (scale > 1e153)


def test_the_squares_of_a_product_may_leave_the_range() -> None:
    left, right = gaussian(60, 8) * 1e200, gaussian(8, 40) * 1e200
    layer = dataclasses.replace(layer_of(left), shape=(60, 40), right=Held(right))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert row_of(layer).flags == ("not-finite",)


@pytest.mark.parametrize("shape", [(300, 200), (60, 40)])
def test_a_cast_to_single_precision_may_leave_its_range(shape: tuple[int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert row_of(layer_of(gaussian(*shape) * 1e60), float32=True).alpha is not None
