"""Simulates how far alpha really scatters: ``python -m gate.spectra.calibration [FILE]``.

The plain (alpha - 1)/√n holds when x_min is given.  Here x_min is chosen by the fit, so alpha
scatters more.  Spectra are drawn with a Pareto tail above 1 that holds a given share of the
eigenvalues, and a uniform bulk below it (share 1: no bulk); each is fitted as a layer would be.
The factor is the root mean square of (alpha - median alpha)/sigma over the draws, the larger of
two exponents, and at least 1.  Takes about a minute on one core; the same seed gives the same
table.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from gate.spectra.conventions import GATE_1
from gate.spectra.power_law import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNTS: Final = (20, 50, 100, 200, 500, 1000, 2000, 4000)
TAIL_SHARES: Final = (0.1, 0.25, 0.5, 1.0)
EXPONENTS: Final = (2.5, 4.0)
SEED: Final = 0
_EIGENVALUES_PER_CELL: Final = 400_000
_FEWEST_DRAWS, _MOST_DRAWS = 200, 1000
_SMALLEST_TAIL: Final = 8


def draw(generator: np.random.Generator, count: int, tail: int, alpha: float) -> NDArray[np.float64]:
    """Return an ascending spectrum: ``tail`` Pareto draws above 1, the rest uniform below."""
    body = generator.random(count - tail)
    above = (1 - generator.random(tail)) ** (-1 / (alpha - 1))
    return np.sort(np.concatenate([body, above]))


def factor(count: int, tail_share: float, alpha: float, draws: int) -> float:
    """Return the scatter of alpha in units of its plain sigma."""
    generator = np.random.default_rng([SEED, count, round(tail_share * 1000), round(alpha * 1000)])
    tail = round(count * tail_share)
    pairs = []
    for _ in range(draws):
        found = fit(draw(generator, count, tail, alpha), GATE_1)
        if found.alpha is not None and found.sigma is not None:
            pairs.append((found.alpha, found.sigma))
    alphas, sigmas = np.array(pairs).T
    return float(np.sqrt(np.square((alphas - np.median(alphas)) / sigmas).mean()))


def table() -> dict[str, object]:
    """Return the factors by count (rows) and share of the tail (columns).

    Where a share leaves fewer than eight eigenvalues in the tail, the next larger share's factor
    stands.
    """
    factors = []
    for count in COUNTS:
        draws = int(np.clip(_EIGENVALUES_PER_CELL // count, _FEWEST_DRAWS, _MOST_DRAWS))
        row = [
            max(1.0, *(factor(count, share, alpha, draws) for alpha in EXPONENTS))
            if count * share >= _SMALLEST_TAIL
            else float("nan")
            for share in TAIL_SHARES
        ]
        for column in reversed(range(len(row) - 1)):
            if np.isnan(row[column]):
                row[column] = row[column + 1]
        factors.append([round(value, 3) for value in row])
    return {"seed": SEED, "counts": COUNTS, "tail_shares": TAIL_SHARES, "factors": factors}


def main() -> None:
    """Write the table to the file named, or in place of the packaged one."""
    packaged = str(files("gate.spectra").joinpath("data").joinpath("inflation.json"))
    target = Path(sys.argv[1] if len(sys.argv) > 1 else packaged)
    target.write_text(json.dumps(table(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
