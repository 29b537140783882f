"""Weight layers made of arrays, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gate.layer import LayerKind, Part, WeightLayer
from gate.spectra import LayerMetrics, Settings, convention
from gate.spectra.layer import measure

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor that is in memory already."""

    values: NDArray[Any]

    def __call__(self) -> NDArray[Any]:
        return self.values


@dataclass(frozen=True, slots=True)
class Broken:
    """A tensor that cannot be read."""

    error: Exception

    def __call__(self) -> NDArray[Any]:
        raise self.error


def layer_of(
    values: NDArray[Any],
    kind: LayerKind = "dense",
    name: str = "layer",
    *,
    dtype: str | None = None,
    groups: int = 1,
    parts: tuple[Part, ...] = (),
    step: float | None = None,
    stored_shape: tuple[int, ...] | None = None,
) -> WeightLayer:
    return WeightLayer(
        name=name,
        kind=kind,
        shape=values.shape,
        dtype=dtype or str(values.dtype),
        read=Held(values),
        tensor=f"{name}.weight",
        stored_shape=stored_shape or values.shape,
        parts=parts,
        groups=groups,
        quantisation_step=step,
    )


def mixed_layers() -> list[WeightLayer]:
    """Return layers of many sizes, one of them a stack of slices."""
    shapes = [(300, 200), (40, 30), (64, 64), (500, 420), (130, 260), (9, 7), (350, 350), (20, 500)]
    layers = [
        layer_of(gaussian(*shape, seed=seed).astype(np.float32), name=f"dense{seed}")
        for seed, shape in enumerate(shapes)
    ]
    return [*layers, layer_of(gaussian(48, 32, 3, 3).astype(np.float32), "conv2d", "conv")]


def rows_of(layer: WeightLayer, name: str = "gate-1", **settings: Any) -> tuple[LayerMetrics, ...]:
    return measure(layer, Settings(convention(name), **settings)).rows


def row_of(layer: WeightLayer, name: str = "gate-1", **settings: Any) -> LayerMetrics:
    (row,) = rows_of(layer, name, **settings)
    return row


def gaussian(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def with_eigenvalues(eigenvalues: NDArray[np.float64], rows: int, seed: int = 0) -> NDArray[np.float64]:
    """Return a matrix of shape (rows, len(eigenvalues)) with those eigenvalues of WᵀW, randomly turned."""
    columns = len(eigenvalues)
    left, _ = np.linalg.qr(gaussian(rows, columns, seed=seed))
    right, _ = np.linalg.qr(gaussian(columns, columns, seed=seed + 1))
    turned: NDArray[np.float64] = (left * np.sqrt(eigenvalues)) @ right.T
    return turned


def pareto(count: int, alpha: float, seed: int = 0) -> NDArray[np.float64]:
    """Return a sample of ρ(λ) ~ λ^-alpha above 1, ascending."""
    uniform = np.random.default_rng(seed).random(count)
    return np.sort((1 - uniform) ** (-1 / (alpha - 1)))
