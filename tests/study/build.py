"""Tables of models with planted trends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gate.study import ModelRow, StudySettings
from gate.study.trends import Points

if TYPE_CHECKING:
    from collections.abc import Sequence

QUICK = StudySettings(resamples=100, permutations=499)


def planted(
    slopes: Sequence[float], levels: Sequence[float], *, n: int = 12, noise: float = 0.01, seed: int = 1
) -> list[Points]:
    """Sub-groups along x = 0, 1, 2, ... with a slope and a level each."""
    generator = np.random.default_rng(seed)
    sets = []
    for place, (slope, level) in enumerate(zip(slopes, levels, strict=True)):
        inside = generator.uniform(-0.4, 0.4, n)
        quality = level + slope * inside + noise * generator.standard_normal(n)
        sets.append(Points(place + inside, quality))
    return sets


def rows(sets: Sequence[Points], metric: str = "alpha", quality: str = "test_accuracy") -> list[ModelRow]:
    """The sub-groups as rows, depths 2, 3, 4, ..."""
    return [
        ModelRow(f"model {place}.{index}", {metric: float(x)}, {quality: float(y)}, {"depth": str(place + 2)})
        for place, data in enumerate(sets)
        for index, (x, y) in enumerate(zip(data.x, data.y, strict=True))
    ]
