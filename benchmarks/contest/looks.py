"""What the anti-grokking run writes down; apart from it, so that reading it needs no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen after ``step`` steps: accuracies, and alpha and traps of the two hidden layers.

    ``largest_entry`` is the largest weight of the second layer in units of their spread: heavy-tailed
    weights make traps of their own.
    """

    run: str
    step: int
    train_accuracy: float
    test_accuracy: float
    alpha_1: float | None
    alpha_2: float | None
    traps_1: int | None
    traps_2: int | None
    largest_entry: float | None
