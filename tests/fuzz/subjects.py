"""One whole model of each format, written by its framework or taken from a package, as the files it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.models import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Files = Mapping[str, bytes]
    """Contents by path in the model's folder; the first one is the file to read."""


def subjects() -> Mapping[str, Callable[[Path], Files]]:
    """Return what makes the files of each format, in an empty folder of its own."""
    return {
        "safetensors": _safetensors,
        "onnx": lambda _: _packaged(
            "rapidocr-onnxruntime",
            "1.4.4",
            "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        ),
        "torchscript": lambda _: _packaged("silero-vad", "6.2.3", "silero_vad/data/silero_vad.jit"),
        "pytorch-zip": lambda folder: _torch_saved(folder, zipped=True),
        "pytorch-legacy": lambda folder: _torch_saved(folder, zipped=False),
        "pytorch-pt2": _exported,
        "keras-hdf5": lambda folder: _keras(folder, "model.h5"),
        "keras": lambda folder: _keras(folder, "model.keras"),
        "savedmodel": lambda _: {
            name: fetch("basic-pitch", "0.4.0", f"{_BASIC_PITCH}/{name}").read_bytes()
            for name in ("saved_model.pb", "variables/variables.index", _DATA)
        },
    }


_BASIC_PITCH: Final = "basic_pitch/saved_models/icassp_2022/nmp"
_DATA: Final = "variables/variables.data-00000-of-00001"


def _packaged(package: str, version: str, member: str) -> Files:
    path = fetch(package, version, member)
    return {path.name: path.read_bytes()}


def _written(path: Path) -> Files:
    return {path.name: path.read_bytes()}


def _module() -> Any:
    from torch import nn  # noqa: PLC0415 - only what is attacked is imported

    return nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 8), nn.Linear(8, 3))


def _safetensors(folder: Path) -> Files:
    from safetensors.torch import save_file  # noqa: PLC0415

    save_file(_module().state_dict(), folder / "model.safetensors")
    return _written(folder / "model.safetensors")


def _torch_saved(folder: Path, *, zipped: bool) -> Files:
    import torch  # noqa: PLC0415

    torch.save(_module(), folder / "model.pt", _use_new_zipfile_serialization=zipped)
    return _written(folder / "model.pt")


def _exported(folder: Path) -> Files:
    import torch  # noqa: PLC0415

    torch.export.save(torch.export.export(_module(), (torch.zeros(2, 16),)), folder / "model.pt2")
    return _written(folder / "model.pt2")


def _keras(folder: Path, name: str) -> Files:
    from tests.weights.keras.models import functional  # noqa: PLC0415

    functional().save(folder / name)
    return _written(folder / name)
