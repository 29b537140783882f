"""Which matrices a layer of each kind holds, against the same matrices cut out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gate.errors import ModelError
from gate.layer import LayerKind, Part
from gate.spectra.conventions import GATE_1, PAPER, WEIGHTWATCHER_0_2, WEIGHTWATCHER_0_7
from gate.spectra.matrices import rows, unmeasurable
from tests.spectra.layers import Held, gaussian, layer_of, row_of, rows_of

GATES = tuple(
    Part(label, 0, 16 * i, 16 * (i + 1)) for i, label in enumerate(("input", "forget", "cell", "output"))
)


def test_a_dense_layer_is_one_upright_matrix() -> None:
    values = gaussian(20, 50)
    (row,) = rows(layer_of(values), GATE_1)
    assert (row.rows, row.columns, row.count, row.scale) == (50, 20, 1, 1.0)
    np.testing.assert_array_equal(row.matrices()[0], values.T)


def test_gates_are_rows_of_their_own() -> None:
    values = gaussian(64, 24)
    found = rows_of(layer_of(values, "lstm", "rnn", parts=GATES))
    assert [row.name for row in found] == ["rnn[input]", "rnn[forget]", "rnn[cell]", "rnn[output]"]
    assert {row.layer for row in found} == {"rnn"}
    expected = row_of(layer_of(values[16:32]))
    assert found[1].log_frobenius_norm == pytest.approx(expected.log_frobenius_norm)
    assert found[1].shape == (16, 24)
    assert found[1].parameters == 16 * 24


def test_experts_are_rows_of_their_own() -> None:
    values = gaussian(3, 30, 20)
    expected = [row_of(layer_of(values[index])).alpha for index in range(3)]
    assert [row.alpha for row in rows_of(layer_of(values, "expert", "moe"))] == expected
    named = tuple(Part(f"{index}", 0, index, index + 1) for index in range(3))
    found = rows_of(layer_of(values, "expert", "moe", parts=named))
    assert [(row.name, row.alpha) for row in found] == [
        (f"moe[{index}]", alpha) for index, alpha in enumerate(expected)
    ]


@pytest.mark.parametrize(
    ("kind", "kernel"),
    [("conv1d", (5,)), ("conv2d", (3, 2)), ("conv3d", (2, 2, 3)), ("conv_transpose2d", (2, 2))],
)
def test_slices_of_a_convolution_are_pooled(kind: LayerKind, kernel: tuple[int, ...]) -> None:
    values = gaussian(12, 20, *kernel)
    found = row_of(layer_of(values, kind))
    slices = [values.reshape(12, 20, -1)[:, :, place] for place in range(np.prod(kernel))]
    total = sum(np.square(single).sum() for single in slices)
    assert (found.rows, found.columns, found.matrices) == (20, 12, len(slices))
    assert found.eigenvalues == 12 * len(slices)
    assert found.log_frobenius_norm == pytest.approx(np.log10(total))
    largest = max(np.linalg.norm(single, 2) for single in slices)
    assert found.largest_singular_value == pytest.approx(largest)
    norms = [np.log10(np.square(single).sum()) for single in slices]
    assert found.scale_spread == pytest.approx(np.std(norms))


def test_a_grouped_convolution_has_one_matrix_per_group_and_place() -> None:
    values = gaussian(24, 5, 3)
    found = row_of(layer_of(values, "conv1d", groups=4))
    blocks = [values[6 * g : 6 * g + 6, :, k] for g in range(4) for k in range(3)]
    assert (found.rows, found.columns, found.matrices) == (6, 5, 12)
    assert found.largest_singular_value == pytest.approx(max(np.linalg.norm(block, 2) for block in blocks))


def test_a_depthwise_convolution_has_one_column_per_place() -> None:
    values = gaussian(32, 1, 3, 3)
    found = row_of(layer_of(values, "depthwise", groups=32))
    assert (found.rows, found.columns, found.matrices, found.eigenvalues) == (32, 1, 9, 9)
    sums = np.square(values).sum(axis=(0, 1))
    assert found.log_spectral_norm == pytest.approx(np.log10(sums.max()))


def test_the_paper_keeps_slices_apart() -> None:
    values = gaussian(30, 24, 2, 2)
    found = rows_of(layer_of(values, "conv2d", "conv"), "paper")
    assert [row.name for row in found] == ["conv[0,0]", "conv[0,1]", "conv[1,0]", "conv[1,1]"]
    assert found[2].alpha == pytest.approx(row_of(layer_of(values[:, :, 1, 0])).alpha)
    assert {row.shape for row in found} == {(30, 24)}
    grouped = rows(layer_of(gaussian(8, 4, 2), "conv1d", "conv", groups=2), PAPER)
    assert [row.name for row in grouped] == [
        "conv[group 0,0]",
        "conv[group 0,1]",
        "conv[group 1,0]",
        "conv[group 1,1]",
    ]


def test_a_low_rank_pair_is_its_product() -> None:
    left, right = gaussian(60, 20), gaussian(20, 50, seed=1)
    layer = replace(layer_of(left @ right, "lora", dtype="float64"), read=Held(left), right=Held(right))
    found = row_of(layer)
    assert (found.rows, found.columns, found.eigenvalues, found.matrix_rank) == (60, 50, 20, 20)
    dense = row_of(layer_of(left @ right))
    assert found.alpha == pytest.approx(dense.alpha, rel=1e-9)
    assert found.log_spectral_norm == pytest.approx(dense.log_spectral_norm)


def test_weightwatcher_keeps_its_count_of_even_kernels() -> None:
    (odd,) = rows(layer_of(gaussian(16, 64, 3, 3), "conv2d"), WEIGHTWATCHER_0_7)
    (even,) = rows(layer_of(gaussian(16, 64, 2, 2), "conv2d"), WEIGHTWATCHER_0_7)
    assert (odd.rows, odd.columns, odd.scale) == (64, 16, 0.5)
    assert (even.rows, even.columns) == (16, 64)


def test_weightwatcher_takes_a_kernel_larger_than_its_channels_for_the_channels() -> None:
    (row,) = rows(layer_of(gaussian(2, 3, 7, 9), "conv2d"), WEIGHTWATCHER_0_7)
    assert (row.rows, row.columns, row.count) == (9, 7, 6)


def test_weightwatcher_takes_gates_whole() -> None:
    (row,) = rows(layer_of(gaussian(64, 24), "lstm", parts=GATES), WEIGHTWATCHER_0_7)
    assert row.name == "layer"
    assert (row.rows, row.columns) == (64, 24)


def test_weightwatcher_takes_transposed_convolutions_as_stored() -> None:
    stored = gaussian(6, 4, 2, 2)  # (in, out/groups, kh, kw), two groups
    canonical = stored.reshape(2, 3, 4, 2, 2).swapaxes(1, 2).reshape(8, 3, 2, 2)
    layer = layer_of(canonical, "conv_transpose2d", groups=2, stored_shape=stored.shape)
    (row,) = rows(layer, WEIGHTWATCHER_0_7)
    np.testing.assert_array_equal(row.stack[1, 0], stored[:, :, 1, 0])


@pytest.mark.parametrize(
    ("shape", "kept"),
    [((8, 7), False), ((8, 8), True), ((64, 1, 3, 3), True), ((64, 1, 2, 2), False), ((50_001, 8), False)],
)
def test_weightwatchers_size_limits(shape: tuple[int, ...], kept: bool) -> None:
    layer = replace(layer_of(np.zeros((1, 1))), shape=shape, stored_shape=shape)
    assert (unmeasurable(layer, WEIGHTWATCHER_0_7) is None) == kept


def test_weightwatcher_0_2_scales_by_the_kernel() -> None:
    found = list(rows(layer_of(gaussian(16, 8, 3, 3), "conv2d"), WEIGHTWATCHER_0_2))
    assert len(found) == 9
    assert {row.scale for row in found} == {4.5}


def test_dividing_by_n() -> None:
    (row,) = rows(layer_of(gaussian(50, 20)), replace(GATE_1, per_n=True))
    assert row.scale == pytest.approx(1 / 50)


@pytest.mark.parametrize(
    ("values", "kind", "groups", "reason"),
    [
        (np.ones(5), "dense", 1, "not a matrix"),
        (np.ones((0, 5)), "dense", 1, "empty"),
        (np.ones((2, 3, 4)), "dense", 1, "not a matrix"),
        (np.ones((4, 4)), "conv2d", 1, "no kernel axis"),
        (np.ones((7, 4, 3)), "conv1d", 3, "do not divide"),
        (np.ones((7, 4, 3)), "conv1d", 0, "do not divide"),
    ],
)
def test_shapes_without_matrices_get_a_row_with_a_reason(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], kind: LayerKind, groups: int, reason: str
) -> None:
    row = row_of(layer_of(values, kind, groups=groups))
    assert row.alpha is None
    assert row.flags == ("not-a-matrix",)
    assert row.reason is not None
    assert reason in row.reason


def test_a_part_outside_the_tensor_is_refused() -> None:
    row = row_of(layer_of(gaussian(20, 10), "lstm", parts=(Part("input", 0, 10, 30),)))
    assert row.reason is not None
    assert "outside" in row.reason


def test_a_tensor_of_another_shape_than_announced_is_an_error() -> None:
    layer = replace(layer_of(gaussian(20, 10)), read=Held(gaussian(20, 9)))
    with pytest.raises(ModelError, match="announced"):
        row_of(layer)
