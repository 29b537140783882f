"""A planted series in which every version is a little worse than the one before, and none by much.

Layers whose eigenvalues are exactly a power law, at its quantiles, under a largest eigenvalue that
stays: what AlphaHat calls worse (arXiv:2106.00734, table 3) is then alpha alone, and it is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gate.api import analyze
from gate.policy import judge, load_policy, packaged_policy
from gate.policy.interface import Baseline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gate.analysis.interface import Analysis
    from gate.policy.interface import Outcome, RuleOutcome

LAYERS: Final = 6
ROWS: Final = 160
COLUMNS: Final = 120
FIRST_ALPHA: Final = 3.0
LARGEST: Final = 10.0
"""The largest eigenvalue of every layer: log10 is 1, so AlphaHat is alpha."""

STEP: Final = 0.04
"""Added to every layer's alpha from one version to the next."""

VERSIONS: Final = 20
SEED: Final = 7
PREVIOUS_RULE: Final = "alphahat-not-worse"
ANCHOR_RULE: Final = "no-slow-drift"


@dataclass(frozen=True, slots=True)
class Step:
    """One version of the series: its AlphaHat, what the two rules said, and the policy."""

    version: int
    alpha_weighted: float
    against_previous: RuleOutcome
    against_first: RuleOutcome
    outcome: Outcome


def version(number: int, step: float = STEP) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a version, counted from 1."""
    alpha = FIRST_ALPHA + (number - 1) * step
    return {f"layers.{layer}.weight": _matrix(alpha, layer) for layer in range(LAYERS)}


def walk(count: int = VERSIONS, step: float = STEP) -> tuple[Step, ...]:
    """Judge each version by the default policy, the one before it as baseline and the first as anchor."""
    analyses = [analyze(version(number, step), groups=("randomness",)) for number in range(1, count + 1)]
    return tuple(_judged(analyses, place) for place in range(1, count))


def _judged(analyses: Sequence[Analysis], place: int) -> Step:
    known = {"previous": analyses[place - 1], "version:1": analyses[0]}
    verdict = judge(
        analyses[place],
        [load_policy(packaged_policy())],
        resolve=lambda spec: Baseline(spec, spec, known.get(spec), "not in the series"),
    )
    said = {rule.id: rule.outcome for rule in verdict.rules}
    figure = analyses[place].model.alpha_weighted
    if figure is None:
        raise ValueError(f"version {place + 1} has no AlphaHat")
    return Step(place + 1, figure, said[PREVIOUS_RULE], said[ANCHOR_RULE], verdict.outcome)


def _matrix(alpha: float, layer: int) -> NDArray[np.float32]:
    """Return a matrix with the quantiles of a power law for eigenvalues, turned as ``layer`` says."""
    generator = np.random.default_rng([SEED, layer])
    tail = (np.arange(COLUMNS) + 0.5) / COLUMNS
    eigenvalues = tail ** (-1.0 / (alpha - 1.0))
    eigenvalues *= LARGEST / eigenvalues.max()
    left, _ = np.linalg.qr(generator.standard_normal((ROWS, COLUMNS)))
    right, _ = np.linalg.qr(generator.standard_normal((COLUMNS, COLUMNS)))
    matrix: NDArray[np.float64] = (left * np.sqrt(eigenvalues)) @ right.T
    return matrix.astype(np.float32)
