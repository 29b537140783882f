"""The matrices on which WeightWatcher was run for tests/data/weightwatcher/synthetic.csv."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _generator(number: int) -> np.random.Generator:
    return np.random.default_rng(1000 + number)


def _signed_pareto(number: int, shape: tuple[int, int], tail: float) -> NDArray[np.float64]:
    generator = _generator(number)
    size = generator.pareto(tail, shape) + 1
    return np.asarray(size * np.where(generator.random(shape) < 0.5, -1, 1))


def _turned(number: int, rows: int, columns: int, tail: float) -> NDArray[np.float64]:
    """Return a matrix whose eigenvalues are Pareto, turned by random orthogonal factors."""
    generator = _generator(number)
    eigenvalues = generator.pareto(tail, columns) + 1
    left, _ = np.linalg.qr(generator.standard_normal((rows, columns)))
    right, _ = np.linalg.qr(generator.standard_normal((columns, columns)))
    return np.asarray((left * np.sqrt(eigenvalues)) @ right.T)


def _spiked() -> NDArray[np.float64]:
    generator = _generator(4)
    matrix: NDArray[np.float64] = generator.standard_normal((1000, 500)) / np.sqrt(1000)
    for strength in (3, 4, 5, 7, 9):
        left, right = generator.standard_normal(1000), generator.standard_normal(500)
        matrix = matrix + strength * np.outer(left / np.linalg.norm(left), right / np.linalg.norm(right))
    return matrix


def _low_rank() -> NDArray[np.float64]:
    generator = _generator(11)
    return np.asarray(generator.standard_normal((600, 20)) @ generator.standard_normal((20, 400)) / 20)


def _normal(number: int, *shape: int) -> NDArray[np.float64]:
    return _generator(number).standard_normal(shape)


def synthetic_matrices() -> dict[str, NDArray[Any]]:
    made = {
        "gauss_1000x1000_Q1": _normal(1, 1000, 1000) / np.sqrt(1000),
        "gauss_2000x1000_Q2": _normal(2, 2000, 1000) / np.sqrt(2000),
        "gauss_512x2048_Q4_wide": _normal(3, 512, 2048) / np.sqrt(2048),
        "gauss_spikes5_1000x500": _spiked(),
        "pareto_entries_mu1.5_100x100": _signed_pareto(5, (100, 100), 1.5) / 100,
        "pareto_entries_mu2.5_512x512": _signed_pareto(6, (512, 512), 2.5) / np.sqrt(512),
        "pareto_entries_mu1.0_2048x1024": _signed_pareto(7, (2048, 1024), 1.0) / 2048,
        "esd_pareto_alpha3_1024x1024": _turned(8, 1024, 1024, 2.0),
        "esd_pareto_alpha2.5_1000x500": _turned(9, 1000, 500, 1.5),
        "esd_pareto_alpha4_400x100": _turned(10, 400, 100, 3.0),
        "lowrank20_600x400": _low_rank(),
        "constant0.5_64x64": np.full((64, 64), 0.5),
        "tiny_10x10": _normal(13, 10, 10),
        "tiny_8x8": _normal(14, 8, 8),
        "tiny_7x7_skipped": _normal(15, 7, 7),
        "small_25x19": _normal(16, 25, 19),
        "small_25x20": _normal(17, 25, 20),
        "identity_32": np.eye(32),
        "zeros_32": np.zeros((32, 32)),
        "gauss_smallscale_200x200_s1e-3": _normal(18, 200, 200) * 1e-3,
        "conv3x3_64x32": _normal(19, 64, 32, 3, 3) * 0.05,
        "conv2x2_out16_in64_evenkernel": _normal(20, 16, 64, 2, 2) * 0.1,
        "depthwise3x3_32": _normal(21, 32, 1, 3, 3) * 0.3,
        "ties_dup_rows_blockdiag": np.kron(np.eye(40), _normal(22, 3, 3)),
    }
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in made.items()}
