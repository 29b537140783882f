"""The anti-grokking run: training far beyond perfect training accuracy, as small as it can be.

After Prakash & Martin, *Grokking and Generalization Collapse* (arXiv:2506.04434): a multilayer
perceptron of three weight layers, large initial weights, squared error on one-hot labels, Adam without
weight decay, ten million steps on a thousand images.  They see test accuracy fall in the end, heralded
by layers with alpha below 2 and by correlation traps.  Ten million steps are hours; here are two runs
of minutes, both fixed before either was looked at: theirs at their learning rate, cut short, and one at
ten times that rate, which goes the further the sooner.  One thing was changed after looking: both were
first run for 120,000 steps, and the second, whose test accuracy had begun to fall by then, was run
again for longer to see where it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn

from benchmarks.common import say
from benchmarks.contest.data import CLASSES, SIDE, digits
from benchmarks.contest.looks import Look
from gate.api import analyze

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.analysis.interface import Analysis

WIDTH: Final = 128
BATCH_SIZE: Final = 200
INITIAL_SCALE: Final = 8.0
"""Times the usual initial weights, which delays generalisation (Liu et al., arXiv:2210.01117)."""

LOOKS: Final = 60
SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its name, its learning rate and its length in steps."""

    name: str
    learning_rate: float
    steps: int


RUNS: Final = (
    Run("as published, cut short", 1e-3, 120_000),
    Run("ten times the learning rate", 1e-2, 300_000),
)


def looks(run: Run) -> Iterator[Look]:
    """Train, and yield what is seen at steps that are spaced evenly on a logarithmic scale."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    model = _model()
    optimiser = torch.optim.AdamW(model.parameters(), lr=run.learning_rate, weight_decay=0.0, fused=True)
    data = digits()
    pixels = torch.from_numpy(data.train_pixels)
    wanted = nn.functional.one_hot(torch.from_numpy(data.train_labels), CLASSES).float()
    when = set(np.unique(np.geomspace(10, run.steps, LOOKS).round().astype(int)).tolist())
    for step in range(1, run.steps + 1):
        batch = torch.randint(len(pixels), (BATCH_SIZE,))
        optimiser.zero_grad()
        nn.functional.mse_loss(model(pixels[batch]), wanted[batch]).backward()
        optimiser.step()
        if step in when:
            yield _look(run, step, model)


def all_looks() -> tuple[Look, ...]:
    """Run everything."""
    found: list[Look] = []
    for run in RUNS:
        say(f"{run.name}: {run.steps:,} steps")
        found += looks(run)
    return tuple(found)


def _model() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(SIDE * SIDE, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, CLASSES),
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(INITIAL_SCALE)
    return model


def _look(run: Run, step: int, model: nn.Sequential) -> Look:
    data = digits()
    first, second = _measured(model).layers[:2]
    return Look(
        run.name,
        step,
        _accuracy(model, data.train_pixels, data.train_labels),
        _accuracy(model, data.test_pixels, data.test_labels),
        first.alpha,
        second.alpha,
        first.correlation_traps,
        second.correlation_traps,
        second.largest_entry,
    )


def _measured(model: nn.Sequential) -> Analysis:
    weights = {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}
    return analyze(weights, groups=("shuffle",), jobs=1)


def _accuracy(model: nn.Sequential, pixels: Any, labels: Any) -> float:
    with torch.no_grad():
        return float((model(torch.from_numpy(pixels)).argmax(1).numpy() == labels).mean())
