"""The zero threshold: rounding must not make rank, and must not cost any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
import pytest

from gate.spectra.conventions import GATE_1, WEIGHTWATCHER_0_7
from gate.spectra.zero import STORAGE_EPSILON, zero_of
from tests.spectra.layers import gaussian, layer_of, row_of

if TYPE_CHECKING:
    from gate.spectra.interface import Convention

STORED = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}


def _gap_after_one(name: str) -> float:
    """Return the distance from 1 to the next value, found by adding powers of two to it."""
    steps = (2.0**-power for power in range(60))
    return min(step for step in steps if float(np.array(1.0 + step).astype(STORED[name])) == 1.0 + step > 1.0)


@pytest.mark.parametrize("name", STORED)
def test_epsilons_are_those_of_the_types(name: str) -> None:
    assert STORAGE_EPSILON[name] == _gap_after_one(name)


@pytest.mark.parametrize("name", STORED)
def test_a_rank_eight_product_has_rank_eight_however_it_is_stored(name: str) -> None:
    product = gaussian(512, 8) @ gaussian(8, 512, seed=1) / 8
    stored = product.astype(STORED[name])
    values = stored.astype(np.float64 if name == "float64" else np.float32)
    row = row_of(layer_of(values, dtype=name))
    assert row.matrix_rank == 8
    assert row.rank_loss == 504


@pytest.mark.parametrize("name", STORED)
def test_a_gaussian_matrix_keeps_full_rank_however_it_is_stored(name: str) -> None:
    stored = (gaussian(512, 256) / 16).astype(STORED[name])
    values = stored.astype(np.float64 if name == "float64" else np.float32)
    assert row_of(layer_of(values, dtype=name)).matrix_rank == 256


def test_integer_storage_counts_its_step() -> None:
    product = gaussian(512, 8) @ gaussian(8, 512, seed=1)
    step = float(np.abs(product).max() / 127)
    values = (np.round(product / step) * step).astype(np.float32)
    assert row_of(layer_of(values, dtype="int8", step=step)).matrix_rank == 8


def test_an_unknown_storage_type_is_said_aloud() -> None:
    row = row_of(layer_of(gaussian(40, 30), dtype="posit16"))
    assert "unknown-rounding" in row.flags
    assert "unknown-rounding" not in row_of(layer_of(gaussian(40, 30), dtype="q4_k", step=1e-3)).flags


def test_the_formula() -> None:
    def limit(convention: Convention, dtype: str, step: float | None = None) -> float:
        return zero_of((400, 100), convention, dtype=dtype, step=step).limit(total=1000.0, largest=50.0)

    assert limit(GATE_1, "float16") == pytest.approx((2**-10) ** 2 / 12 * 1000 * (1 / 20 + 1 / 10) ** 2)
    assert limit(GATE_1, "float64") == pytest.approx(50 * 100 * 2**-52)
    assert limit(GATE_1, "int8", step=0.01) == pytest.approx(1e-4 / 12 * (20 + 10) ** 2)
    assert limit(WEIGHTWATCHER_0_7, "float16") == 1e-5
