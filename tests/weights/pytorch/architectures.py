"""Architectures that the torch tests save in every form; imported only where torch is."""

from __future__ import annotations

import torch
from torch import nn


class Block(nn.Module):  # type: ignore[misc]
    """A user's class, nested in another, with a residual and a buffer that is not saved."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=2)
        self.register_buffer("mask", torch.ones(4, 4), persistent=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values with the block's added."""
        return values + self.conv(self.norm(values))


class Convolutions(nn.Module):  # type: ignore[misc]
    """Convolutions of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.line = nn.Conv1d(4, 6, 3)
        self.head = nn.Linear(6, 5)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return one vector for each image."""
        values = self.up(self.depthwise(self.blocks(self.stem(values))))
        return self.head(self.line(values.flatten(2)).mean(-1))

    example = (torch.zeros(2, 3, 8, 8),)


class Recurrent(nn.Module):  # type: ignore[misc]
    """Embedding, LSTM, GRU, and an output layer tied to the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 12)
        self.lstm = nn.LSTM(12, 10, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(20, 12, batch_first=True)
        self.output = nn.Linear(12, 20, bias=False)
        self.output.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return scores for each token."""
        values, _ = self.lstm(self.embedding(tokens))
        values, _ = self.gru(values)
        return self.output(values)

    example = (torch.zeros(2, 7, dtype=torch.long),)


class Attending(nn.Module):  # type: ignore[misc]
    """Attention, layer norm, a shared submodule and a plain tensor attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(12, 3, 24, activation="gelu", batch_first=True)
        self.first = nn.Linear(12, 12)
        self.second = self.first
        self.table = torch.arange(12.0).reshape(3, 4)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return values of the same shape."""
        values, _ = self.attention(values, values, values, need_weights=False)
        return self.second(self.first(self.encoder(values))) + self.table.sum()

    example = (torch.zeros(2, 5, 12),)


ARCHITECTURES = {"convolutions": Convolutions, "recurrent": Recurrent, "attending": Attending}
