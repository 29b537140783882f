"""One model that its authors publish as SavedModel and as ONNX: both must hold the same weights."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from gate.weights import read_weights
from gate.weights.savedmodel import SavedModelReader
from tests.models import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from gate.weights.interface import ModelWeights

PLACE: Final = "basic_pitch/saved_models/icassp_2022"
FILES: Final = (
    "saved_model.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the SavedModel, put together as it stands in the package."""
    folder = tmp_path_factory.mktemp("nmp")
    (folder / "variables").mkdir()
    for name in FILES:
        shutil.copyfile(fetch("basic-pitch", "0.4.0", f"{PLACE}/nmp/{name}"), folder / name)
    return folder


@pytest.fixture(scope="module")
def saved(folder: Path) -> ModelWeights:
    """Return what the SavedModel's reader lists."""
    return read_weights(folder)


@pytest.fixture(scope="module")
def exported() -> ModelWeights:
    """Return what the ONNX reader lists of the same model."""
    return read_weights(fetch("basic-pitch", "0.4.0", f"{PLACE}/nmp.onnx"))


def values(weights: ModelWeights, name: str) -> NDArray[np.float64]:
    """Return the values of the layer whose name, or whose name's last part, is ``name``."""
    (layer,) = (layer for layer in weights.layers if re.split("[./]", layer.name)[-1] == name)
    return layer.read().astype(np.float64)


def test_the_whole_model_is_read(saved: ModelWeights) -> None:
    assert saved.format == "savedmodel"
    assert saved.files == FILES
    assert [layer.name for layer in saved.layers] == [
        "model_1/cq_t2010v2_1/conv1d",
        "model_1/cq_t2010v2_1/conv1d_1",
        "conv2d_1",
        "conv2d_4",
        "contours-reduced",
        "conv2d_2",
        "conv2d_3",
        "conv2d_5",
    ]
    assert (saved.batch_norms, saved.unreferenced_bytes, saved.unsafe_globals) == (3, 0, ())
    assert not [item for item in saved.skipped if item.matrix]


def test_the_optimizers_state_is_left_out_by_name(saved: ModelWeights) -> None:
    left = {item.name: item for item in saved.skipped}
    slot = left["layer_with_weights-1/kernel/.OPTIMIZER_SLOT/optimizer/m"]
    assert (slot.parameters, slot.reason) == (3 * 39 * 8 * 8, "kept by the optimizer beside a weight")


@pytest.mark.parametrize("name", ["contours-reduced", "conv2d_2", "conv2d_3", "conv2d_5"])
def test_weights_equal_those_of_the_onnx_file(saved: ModelWeights, exported: ModelWeights, name: str) -> None:
    np.testing.assert_array_equal(values(saved, name), values(exported, name))


@pytest.mark.parametrize("name", ["conv1d", "conv1d_1"])
def test_filters_captured_as_constants_equal_those_of_the_onnx_file(
    saved: ModelWeights, exported: ModelWeights, name: str
) -> None:
    """ONNX keeps the axis of length 1 that TensorFlow adds to convolve in one dimension."""
    np.testing.assert_array_equal(values(saved, name), values(exported, name)[:, :, 0])


@pytest.mark.parametrize("name", ["conv2d_1", "conv2d_4"])
def test_weights_into_which_onnx_folded_a_batch_norm_differ_by_a_factor_a_channel(
    saved: ModelWeights, exported: ModelWeights, name: str
) -> None:
    ratio = values(exported, name) / values(saved, name)
    factor = np.median(ratio.reshape(len(ratio), -1), axis=1)
    np.testing.assert_allclose(ratio, factor[:, None, None, None] * np.ones_like(ratio), rtol=1e-5)


def test_the_reader_knows_the_file_by_its_content(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "input_0.pb"
    other.write_bytes(b"\x08\x02\x08\x03\x10\x01J\x04abcd")  # a TensorProto, as ONNX tests keep them
    assert SavedModelReader().matches(folder / "saved_model.pb")
    assert not SavedModelReader().matches(other)
    assert not SavedModelReader().matches(folder / "variables" / "variables.index")
