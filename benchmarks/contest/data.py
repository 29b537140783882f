"""The data: scikit-learn's 1797 handwritten digits of 8×8 pixels, which come with the package itself.

One third is trained on and two thirds test, so that small networks can overfit and a test accuracy is
known to half a point.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES: Final = 10
SIDE: Final = 8
TRAINED_ON: Final = 599
SPLIT_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Digits:
    """Pixels as (n, 64) float32 of mean 0 and variance 1 over the training images, labels as (n,) int64."""

    train_pixels: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_pixels: NDArray[np.float32]
    test_labels: NDArray[np.int64]


@cache
def digits() -> Digits:
    """Return the one split that every network sees, each digit as often in both parts."""
    pixels, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        pixels.astype(np.float32), labels, train_size=TRAINED_ON, stratify=labels, random_state=SPLIT_SEED
    )
    centre, spread = train.mean(), train.std()
    return Digits((train - centre) / spread, train_labels, (test - centre) / spread, test_labels)


def partly_random(labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Return the labels with ``share`` of them, chosen by ``seed``, drawn anew from all classes."""
    generator = np.random.default_rng([seed, 1])
    replaced = labels.copy()
    chosen = generator.permutation(len(labels))[: round(share * len(labels))]
    replaced[chosen] = generator.integers(CLASSES, size=len(chosen))
    return replaced
