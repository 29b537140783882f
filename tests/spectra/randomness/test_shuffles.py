"""Shuffles: permutations of equal probability, traps where they were planted, distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gate.spectra.randomness import shuffles
from tests.spectra.layers import gaussian, layer_of, row_of

GROUPS = frozenset({"default", "shuffle"})


@settings(max_examples=25)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(-9, 9, width=32),
    )
)
def test_keeps_every_entry_within_its_matrix(
    stacked: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> None:
    mixed = shuffles.shuffled(stacked, np.random.default_rng(0))
    flat = stacked.reshape(len(stacked), -1)
    assert np.array_equal(np.sort(mixed.reshape(flat.shape), axis=1), np.sort(flat, axis=1))


@pytest.mark.parametrize("cached", [1 << 17, 4])
def test_every_order_is_equally_likely(monkeypatch: pytest.MonkeyPatch, cached: int) -> None:
    monkeypatch.setattr(shuffles, "_CACHED", cached)
    monkeypatch.setattr(shuffles, "_BUCKETS", 3)
    generator, draws = np.random.default_rng(1), 12_000
    counts = np.zeros((6, 6))
    for _ in range(draws):
        counts[
            np.arange(6), shuffles.shuffled(np.arange(6.0).reshape(1, 3, 2), generator).ravel().astype(int)
        ] += 1
    assert np.abs(counts - draws / 6).max() < 4.5 * (draws * 5 / 36) ** 0.5


def test_large_matrices_too() -> None:
    stacked = np.arange(600 * 400, dtype=np.float32).reshape(1, 600, 400)
    mixed = shuffles.shuffled(stacked, np.random.default_rng(2))
    assert np.array_equal(np.sort(mixed, axis=None), stacked.ravel())
    # Neighbours no longer: the rank correlation of place and value is that of a random order.
    assert abs(np.corrcoef(mixed.ravel(), stacked.ravel())[0, 1]) < 4 / mixed.size**0.5


def test_gaussian_matrices_have_no_traps() -> None:
    trapped = [
        row_of(layer_of(gaussian(80, 50, seed=seed)), groups=GROUPS).correlation_traps for seed in range(200)
    ]
    assert sum(count != 0 for count in trapped) <= 6  # expected 2


@pytest.mark.parametrize("planted", [1, 3])
def test_planted_traps_are_found(planted: int) -> None:
    # An entry e alone in its row and column has the singular value √(e² + N + M) nearly.
    found = []
    for seed in range(20):
        matrix = gaussian(120, 80, seed=seed)
        matrix.flat[: planted * 7 : 7] = 40.0
        row = row_of(layer_of(matrix), groups=GROUPS)
        assert row.largest_entry == pytest.approx(40 / matrix.std())
        assert "correlation-traps" in row.flags
        found.append(row.correlation_traps)
    assert sum(count == planted for count in found) >= 18


def test_structure_is_no_trap_but_heavy_entries_are_and_say_so() -> None:
    spiked = gaussian(200, 100, seed=3) + 5 * np.outer(gaussian(200, seed=4), gaussian(100, seed=5)) / 10
    assert row_of(layer_of(spiked), groups=GROUPS).correlation_traps == 0
    heavy = np.random.default_rng(6).standard_t(3, (400, 400))
    row = row_of(layer_of(heavy), groups=GROUPS)
    assert row.correlation_traps is not None
    assert row.correlation_traps >= 2
    assert row.largest_entry is not None
    assert row.largest_entry > 10  # a Gaussian matrix of this size has 4.8 or so


def test_seeded_and_independent_of_everything_else() -> None:
    layer = layer_of(gaussian(30, 20))
    first, second = (row_of(layer, groups=GROUPS) for _ in range(2))
    assert first.shuffled_largest == second.shuffled_largest
    assert first.shuffled_largest != row_of(layer, groups=GROUPS, seed=1).shuffled_largest


def test_distance_of_known_spectra() -> None:
    one, other = np.full(50, 1.0), np.full(50, 100.0)
    assert shuffles.jensen_shannon(one, one, 0.0) == 0
    assert shuffles.jensen_shannon(one, other, 0.0) == pytest.approx(1)
    # Half of the mass in common: divergence 1 - (3/4)·log2(3)/... in closed form below.
    half = np.concatenate([np.full(25, 1.0), np.full(25, 100.0)])
    divergence = 0.5 * np.log2(1 / 0.75) + 0.5 * (0.5 * np.log2(0.5 / 0.75) + 0.5 * np.log2(0.5 / 0.25))
    assert shuffles.jensen_shannon(one, half, 0.0) == pytest.approx(divergence**0.5)
    # Zeros are a bin of their own.
    zeros = np.concatenate([np.zeros(25), np.full(25, 1.0)])
    assert shuffles.jensen_shannon(one, zeros, 1e-9) == pytest.approx(divergence**0.5)
    assert shuffles.jensen_shannon(np.zeros(3), np.zeros(3), 0.0) == 0


def test_distance_tells_a_trained_spectrum_from_noise() -> None:
    noise = gaussian(300, 150, seed=7)
    trained = noise * np.exp(np.linspace(0, 3, 150)) @ np.linalg.qr(gaussian(150, 150, seed=8))[0]
    near = row_of(layer_of(noise), groups=GROUPS).shuffle_distance
    far = row_of(layer_of(trained), groups=GROUPS).shuffle_distance
    assert near is not None
    assert far is not None
    assert near < 0.15
    assert far > 0.3
