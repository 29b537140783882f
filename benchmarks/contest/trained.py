"""What training gives; apart from it, so that registering needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network: its weights by name, and how good they are.

    ``train_accuracy`` is on the labels it was given, the random ones included.
    """

    weights: dict[str, NDArray[np.float32]]
    train_accuracy: float
    test_accuracy: float
    train_loss: float
