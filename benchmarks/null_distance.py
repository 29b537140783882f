"""Simulate the null law of the KS distance to Marchenko-Pastur and write the table the engine ships.

Run ``python benchmarks/null_distance.py``; it takes about eight minutes on one core and always writes
the same numbers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np

import gate.spectra.randomness
from gate.spectra.randomness import marchenko_pastur
from gate.spectra.randomness.bulk import ks_distance
from gate.spectra.randomness.wishart import spectra

SEED: Final = 20240607
COLUMNS: Final = (2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512)
ASPECT: Final = (1, 2, 8, 64)
MATRICES: Final = (1, 2, 3, 5, 9, 25, 64)
EIGENVALUES: Final = 500_000
"""Eigenvalues drawn per point of the grid, which bounds the time; at least 100 layers, at most 4000."""


def simulate(rows: int, columns: int, matrices: int) -> tuple[float, float]:
    """Return mean and standard deviation of ln D over seeded Gaussian layers."""
    generator = np.random.default_rng([SEED, rows, columns, matrices])
    draws = min(4000, max(100, EIGENVALUES // (columns * matrices)))
    logarithms = np.empty(draws)
    for index in range(draws):
        drawn = spectra(generator, rows, columns, matrices)
        standard = drawn / marchenko_pastur.fit(drawn, rows, columns).variances[:, None]
        logarithms[index] = np.log(ks_distance(standard.ravel(), rows, columns))
    return float(logarithms.mean()), float(logarithms.std(ddof=1))


def main() -> None:
    """Write the table beside the module that reads it."""
    grid = [[[simulate(m * q, m, k) for k in MATRICES] for q in ASPECT] for m in COLUMNS]
    moments = np.round(np.array(grid), 4)
    table = {
        "columns": COLUMNS,
        "aspect": ASPECT,
        "matrices": MATRICES,
        "mean_log_distance": moments[..., 0].tolist(),
        "deviation_log_distance": moments[..., 1].tolist(),
    }
    target = Path(gate.spectra.randomness.__file__).with_name("null_distance.json")
    target.write_text(json.dumps(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
