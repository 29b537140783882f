"""One network from its design to its weights and accuracies; the only module that imports torch."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from benchmarks.contest.data import CLASSES, SIDE, digits, partly_random
from benchmarks.contest.trained import Trained

if TYPE_CHECKING:
    from benchmarks.contest.design import Network

EPOCHS: Final = 40
"""Passes over the training images, the same for every network."""

MOMENTUM: Final = 0.9


def train(network: Network) -> Trained:
    """Train from the network's seed on one thread; the same seed gives the same weights."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(network.seed)
    data = digits()
    labels = partly_random(data.train_labels, network.random_labels, network.seed)
    pixels, targets = torch.from_numpy(data.train_pixels), torch.from_numpy(labels)
    model = build(network)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=network.learning_rate, momentum=MOMENTUM, weight_decay=network.weight_decay
    )
    for _ in range(EPOCHS):
        _epoch(model, optimiser, pixels, targets, network.batch_size)
    loss, train_accuracy = evaluate(model, pixels, targets)
    _, test_accuracy = evaluate(model, torch.from_numpy(data.test_pixels), torch.from_numpy(data.test_labels))
    weights = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    return Trained(weights, train_accuracy, test_accuracy, loss)


def build(network: Network) -> nn.Sequential:
    """Return the network with He's initialisation, untrained."""
    model = (_dense if network.family == "dense" else _convolution)(network)
    for module in model:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return model


def evaluate(model: nn.Module, pixels: torch.Tensor, targets: torch.Tensor) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy, dropout off."""
    model.eval()
    with torch.no_grad():
        scores = model(pixels)
    model.train()
    accuracy = (scores.argmax(1) == targets).double().mean()
    return float(nn.functional.cross_entropy(scores, targets)), float(accuracy)


def _epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    pixels: torch.Tensor,
    targets: torch.Tensor,
    batch_size: int,
) -> None:
    for batch in torch.randperm(len(pixels)).split(batch_size):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(pixels[batch]), targets[batch]).backward()
        optimiser.step()


def _dense(network: Network) -> nn.Sequential:
    """``depth`` matrices: 64×W, W×W, ..., W×10."""
    sizes = [SIDE * SIDE, *[network.width] * (network.depth - 1)]
    hidden = [
        module
        for across, up in pairwise(sizes)
        for module in (nn.Linear(across, up), nn.ReLU(), nn.Dropout(network.dropout))
    ]
    return nn.Sequential(*hidden, nn.Linear(network.width, CLASSES))


def _convolution(network: Network) -> nn.Sequential:
    """VGG-like: ``depth`` − 1 convolutions of 3×3, halving the image after each of the first two."""
    modules: list[nn.Module] = [nn.Unflatten(1, (1, SIDE, SIDE))]
    channels = 1
    for place in range(network.depth - 1):
        modules += [nn.Conv2d(channels, network.width, 3, padding=1), nn.ReLU()]
        modules += [nn.MaxPool2d(2)] * (place < 2)  # noqa: PLR2004 - 8×8 to 4×4 to 2×2
        modules += [nn.Dropout(network.dropout)]
        channels = network.width
    side = SIDE // 4
    return nn.Sequential(*modules, nn.Flatten(), nn.Linear(network.width * side * side, CLASSES))
