"""What must not change a figure, and what must change it by a known amount."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.spectra import LayerMetrics
from tests.spectra.layers import gaussian, layer_of, pareto, row_of, with_eigenvalues

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(st.integers(2, 60), st.integers(2, 60))
SAME = ("alpha", "ks_distance", "stable_rank", "entropy", "participation_ratio", "spectral_gap")
PRECISION = 1e-8


def heavy(size: tuple[int, int], seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return a matrix with a tail, well conditioned enough that its Gram matrix resolves it all."""
    low, high = sorted(size)
    return with_eigenvalues(pareto(low, 2.5, seed), high, seed)


def assert_same(one: LayerMetrics, other: LayerMetrics, *fields: str) -> None:
    for field in fields:
        left, right = getattr(one, field), getattr(other, field)
        assert (left is None) == (right is None), field
        if left is not None:
            assert left == pytest.approx(right, rel=PRECISION), field
    assert (one.tail_size, one.matrix_rank) == (other.tail_size, other.matrix_rank)
    assert one.flags == other.flags


@settings(max_examples=60, deadline=None)
@given(SIZES, SEEDS, st.floats(-6, 6))
def test_scaling_leaves_shape_metrics_alone_and_shifts_log_norms(
    size: tuple[int, int], seed: int, exponent: float
) -> None:
    factor = 10.0**exponent
    values = heavy(size, seed)
    one, scaled = row_of(layer_of(values)), row_of(layer_of(values * factor))
    assert_same(one, scaled, *SAME)
    assert one.log_spectral_norm is not None
    assert one.log_frobenius_norm is not None
    assert scaled.log_spectral_norm == pytest.approx(one.log_spectral_norm + 2 * exponent, abs=1e-9)
    assert scaled.log_frobenius_norm == pytest.approx(one.log_frobenius_norm + 2 * exponent, abs=1e-9)
    if one.alpha is not None:
        assert one.alpha_weighted is not None
        shifted = one.alpha_weighted + 2 * exponent * one.alpha
        assert scaled.alpha_weighted == pytest.approx(shifted, abs=1e-6)
        assert one.log_alpha_schatten_norm is not None
        schatten = one.log_alpha_schatten_norm + 2 * exponent * one.alpha
        assert scaled.log_alpha_schatten_norm == pytest.approx(schatten, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(SIZES, SEEDS)
def test_transposition_changes_nothing(size: tuple[int, int], seed: int) -> None:
    values = heavy(size, seed)
    assert_same(row_of(layer_of(values)), row_of(layer_of(values.T)), *SAME, "log_spectral_norm", "x_min")


@settings(max_examples=40, deadline=None)
@given(SIZES, SEEDS)
def test_permutations_and_rotations_change_nothing(size: tuple[int, int], seed: int) -> None:
    values = heavy(size, seed)
    generator = np.random.default_rng(seed)
    shuffled = values[generator.permutation(len(values))][:, generator.permutation(values.shape[1])]
    turn, _ = np.linalg.qr(generator.standard_normal((len(values), len(values))))
    one = row_of(layer_of(values))
    for other in (shuffled, turn @ values):
        assert_same(one, row_of(layer_of(other)), *SAME, "log_spectral_norm", "x_min")


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 4), st.integers(1, 4))
def test_the_order_of_slices_changes_nothing(seed: int, height: int, width: int) -> None:
    kernel = gaussian(12, 10, height, width, seed=seed)
    flipped = kernel[:, :, ::-1, ::-1]
    one, other = row_of(layer_of(kernel, "conv2d")), row_of(layer_of(flipped, "conv2d"))
    assert_same(one, other, *SAME, "x_min")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    SEEDS,
    st.sampled_from([0.0, 1e-300, 1e-160, 1e-39, 1.0, 1e30, 1e160, math.nan, math.inf]),
    st.sampled_from(["gate-1", "paper", "weightwatcher-0.7", "weightwatcher-0.2"]),
)
def test_no_matrix_crashes_or_yields_a_figure_that_is_not_finite(
    rows: int, columns: int, seed: int, scale: float, name: str
) -> None:
    generator = np.random.default_rng(seed)
    with np.errstate(invalid="ignore"):  # 0 · inf
        values = generator.integers(-2, 3, (rows, columns)) * scale
    row = row_of(layer_of(values), name)
    for field in LayerMetrics.__dataclass_fields__:
        figure = getattr(row, field)
        if isinstance(figure, float):
            assert math.isfinite(figure), field
    assert row.alpha is not None or row.reason
