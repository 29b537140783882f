"""Alpha at a fixed aspect ratio, and the trace-log condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from gate.spectra.aspect import trace_log_count
from gate.spectra.aspect.fixed import windows
from tests.spectra.layers import gaussian, layer_of, pareto, row_of, with_eigenvalues
from tests.spectra.synthetic import synthetic_matrices
from tests.spectra.test_weightwatcher import reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gate.spectra.interface import Group

GROUPS: Final[frozenset[Group]] = frozenset({"default", "aspect"})


@pytest.mark.parametrize(
    ("rows", "columns", "number"), [(10, 4, 3), (12, 4, 3), (5, 4, 2), (4, 4, 1), (9, 1, 9)]
)
def test_windows_are_square_and_cover_every_row(rows: int, columns: int, number: int) -> None:
    matrix = np.arange(rows * columns).reshape(rows, columns)
    found = list(windows((matrix,)))
    assert len(found) == number
    assert {window.shape for window in found} == {(columns, columns)}
    assert set(np.concatenate(found).ravel()) == set(matrix.ravel())


def test_square_matrices_keep_their_alpha() -> None:
    row = row_of(layer_of(with_eigenvalues(pareto(200, 3.0), 200)), groups=GROUPS)
    assert row.alpha_fixed_aspect == row.alpha


def stretched(rows: int, seed: int) -> NDArray[np.float64]:
    """Return 200 random columns whose scales follow a power law."""
    return np.asarray(gaussian(rows, 200, seed=seed) * (1 - np.linspace(0, 0.995, 200)) ** -0.25)


def heavy(rows: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_t(2, (rows, 200))


@pytest.mark.parametrize("make", [stretched, heavy])
def test_one_law_gets_one_alpha_at_every_aspect_ratio(
    make: Callable[[int, int], NDArray[np.float64]],
) -> None:
    # Means over five matrices of 200 to 3200 rows: plain alpha drifts by a quarter, this one stays.
    square, elongated = (
        [row_of(layer_of(make(rows, seed)), groups=GROUPS) for seed in range(5)] for rows in (200, 3200)
    )
    plain = [np.mean([row.alpha or 0 for row in rows]) for rows in (square, elongated)]
    fixed = [np.mean([row.alpha_fixed_aspect or 0 for row in rows]) for rows in (square, elongated)]
    assert abs(plain[1] / plain[0] - 1) > 0.2
    assert abs(fixed[1] / fixed[0] - 1) < 0.08


def test_slices_and_orientation() -> None:
    kernel = gaussian(24, 8, 3, 3, seed=2)
    row = row_of(layer_of(kernel, "conv2d"), groups=GROUPS)
    turned = row_of(layer_of(kernel.swapaxes(0, 1), "conv2d"), groups=GROUPS)
    assert row.alpha_fixed_aspect == pytest.approx(turned.alpha_fixed_aspect)
    scaled = row_of(layer_of(kernel * 1e3, "conv2d"), groups=GROUPS)
    assert row.alpha_fixed_aspect == pytest.approx(scaled.alpha_fixed_aspect)
    assert row_of(layer_of(gaussian(30, 1)), groups=GROUPS).alpha_fixed_aspect is None


def test_trace_log_count_in_closed_form() -> None:
    # Mean 1. 4·½ = 2, 2·¼ = ½: the logarithms of two sum to ln 2, of three to -ln 2.
    assert trace_log_count(np.array([0.125, 0.125, 0.25, 0.5, 4.0])) == 2
    # 4·¼ = 1: exactly 0 still counts.
    assert trace_log_count(np.array([0.25, 0.25, 0.25, 0.25, 4.0])) == 2
    assert trace_log_count(np.full(9, 7.0)) == 9
    assert trace_log_count(np.zeros(4)) is None
    assert trace_log_count(np.array([0.0, 0.0, 1.0])) == 1


def test_reference_tool_counts_one_more() -> None:
    figures = reference("synthetic")
    compared = 0
    for name, values in synthetic_matrices().items():
        if name not in figures or name in {"identity_32", "zeros_32"} or values.size > 600_000:
            continue
        layer = layer_of(values, "dense" if values.ndim == 2 else "conv2d", name)
        row = row_of(layer, "weightwatcher-0.7", groups=GROUPS)
        assert row.erg_count is not None
        assert row.erg_count + 1 == int(figures[name]["detX_num"])
        if row.tail_size:
            assert row.erg_gap == row.erg_count - row.tail_size
        compared += 1
    assert compared >= 14
