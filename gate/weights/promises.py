"""What the name of a file promises, as data; suffixes are matched case-folded.

Frameworks choose how to load a file by its name and look at the bytes afterwards.  A file whose name
promises a format is therefore only read as that format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate.weights.containers import Container


@dataclass(frozen=True, slots=True)
class Promise:
    """What files of these suffixes are.

    Attributes
    ----------
    title:
        What messages call such a file.
    suffixes:
        How the names end.
    formats:
        Identifiers of the formats that a framework reads from such a file; none where it may be any.
    order:
        The containers that frameworks look for in such a file; they load the first that is there.
        None where it depends on who loads it: then there may be only one.  Empty where nobody looks.
    """

    title: str
    suffixes: tuple[str, ...]
    formats: tuple[str, ...]
    order: tuple[Container, ...] | None


_PYTORCH: Final = ("pytorch-zip", "torchscript", "pytorch-pt2", "pytorch-legacy")

ANYTHING: Final = Promise("a model", (), (), None)
"""Names that promise nothing: ``pytorch_model.bin``, a blob of the Hugging Face cache, any other."""

PROMISES: Final = (
    Promise("the index of safetensors files", (".safetensors.index.json",), ("safetensors",), ()),
    Promise("a safetensors file", (".safetensors",), ("safetensors",), (Container.SAFETENSORS,)),
    Promise("an ONNX model", (".onnx",), ("onnx",), (Container.ORT, Container.PROTOBUF)),
    Promise(
        "a PyTorch file",
        (".pt", ".pth", ".pt2", ".torchscript", ".jit", ".ts"),
        _PYTORCH,
        # torch.load looks for a zip archive at the first byte, torch.jit.load from the end
        (Container.ZIP, Container.TAR, Container.PICKLE),
    ),
    # Lightning's are PyTorch's; Keras 2 wrote HDF5 to any name
    Promise("a checkpoint", (".ckpt",), (*_PYTORCH, "keras-hdf5"), None),
    # Keras loads what zipfile.is_zipfile finds, which looks from the end; Keras 2 else opens HDF5
    Promise("a Keras model", (".keras",), ("keras", "keras-hdf5"), (Container.ZIP, Container.HDF5)),
    # of what lies on a remote path, Keras loads an archive whatever its name
    Promise("an HDF5 file", (".h5", ".hdf5"), ("keras-hdf5",), (Container.ZIP, Container.HDF5)),
    Promise(
        "a TensorFlow graph",
        (".pb",),
        ("savedmodel", "tensorflow-graph"),
        (Container.PROTOBUF,),
    ),
    Promise("the index of a TensorFlow checkpoint", (".index",), ("tensorflow-checkpoint",), ()),
)


def promise_of(name: str) -> Promise:
    """Return what a file called ``name`` promises to be."""
    folded = name.casefold()
    return next((promise for promise in PROMISES if folded.endswith(promise.suffixes)), ANYTHING)
