"""Spikes: hardly any in noise, exactly those that were planted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gate.spectra.randomness import bulk
from gate.spectra.randomness.wishart import spectra
from tests.spectra.layers import gaussian, layer_of, row_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUPS = frozenset({"default", "randomness"})


@pytest.mark.parametrize(
    ("matrices", "rows", "columns"),
    [(9, 16, 3), (1, 24, 6), (1, 8, 8), (1, 64, 64), (1, 128, 64), (1, 512, 16), (9, 32, 16), (3, 64, 64)],
)
def test_at_most_one_random_layer_in_a_hundred_has_a_spike(matrices: int, rows: int, columns: int) -> None:
    generator, draws = np.random.default_rng(5), 3000
    spiked = 0
    for _ in range(draws):
        found = bulk.measure(spectra(generator, rows, columns, matrices), rows, columns)
        spiked += found is not None and found.spikes > 0
    assert spiked / draws < 0.01 + 2.5 * (0.01 / draws) ** 0.5


def planted(rows: int, columns: int, strengths: tuple[float, ...], seed: int) -> NDArray[np.float64]:
    """Return noise plus orthogonal components, in units of the weakest that leaves the bulk, σ(NM)^¼."""
    left, _ = np.linalg.qr(gaussian(rows, len(strengths), seed=seed + 1))
    right, _ = np.linalg.qr(gaussian(columns, len(strengths), seed=seed + 2))
    weakest = (rows * columns) ** 0.25
    signal = (left * (weakest * np.array(strengths))) @ right.T
    return np.asarray(gaussian(rows, columns, seed=seed) + signal)


@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (300, 100), (512, 512)])
@pytest.mark.parametrize("strengths", [(3.0,), (2.5, 3.5, 5.0), (2.5, 3.0, 4.0, 6.0, 9.0)])
def test_planted_spikes_are_found_exactly(rows: int, columns: int, strengths: tuple[float, ...]) -> None:
    found = [
        row_of(layer_of(planted(rows, columns, strengths, seed)), groups=GROUPS).spikes
        for seed in range(0, 60, 3)
    ]
    assert sum(count == len(strengths) for count in found) >= 19  # 95 %


def test_components_too_weak_to_leave_the_bulk_are_not_spikes() -> None:
    found = [
        row_of(layer_of(planted(300, 100, (0.5, 0.7), seed)), groups=GROUPS).spikes
        for seed in range(0, 60, 3)
    ]
    assert sum(count == 0 for count in found) >= 19


def test_spikes_and_edge_follow_the_scale_of_each_slice() -> None:
    scales = np.geomspace(0.01, 100, 9).reshape(3, 3)
    kernel = gaussian(64, 32, 3, 3, seed=6) * scales
    kernel[:, :, 0, 0] += 0.01 * 20 * np.outer(np.ones(64), np.ones(32)) / (64 * 32) ** 0.5 * 3
    row = row_of(layer_of(kernel, "conv2d"), groups=GROUPS)
    assert row.spikes == 1  # in the slice of the smallest scale, far below the other slices' bulk
    assert row.mp_edge == pytest.approx(100**2 * (64**0.5 + 32**0.5) ** 2, rel=0.08)
    assert row.mp_soft_rank == pytest.approx(1, abs=0.15)
