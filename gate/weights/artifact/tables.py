"""Names of files and flavours, as data; suffixes are matched case-folded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WEIGHT_SUFFIXES: Final[tuple[str, ...]] = (
    ".safetensors.index.json",
    ".safetensors",
    ".onnx",
    ".keras",
    ".pb",
    ".index",
    ".pt2",
    ".pth",
    ".pt",
    ".bin.index.json",
    ".bin",
    ".ckpt",
    ".torchscript",
    ".jit",
    ".ts",
    ".weights.h5",
    ".h5",
    ".hdf5",
)
"""Files that may hold weights that are read, in order of preference.

Of one model that lies there in several of them, the first is read: safetensors holds names and no
code, ONNX says what each matrix does, a pickle neither.
"""

LOOSE_SUFFIXES: Final = frozenset({".bin", ".ckpt", ".h5", ".hdf5", ".index", ".pb", ".ts"})
"""Suffixes that other things carry too: such a file is left out, by name, where no reader knows it."""

UNREAD_SUFFIXES: Final[dict[str, str]] = {
    ".tflite": "TensorFlow Lite",
    ".gguf": "GGUF",
    ".ggml": "GGML",
    ".msgpack": "Flax",
    ".ot": "rust-bert",
    ".mlmodel": "Core ML",
    ".mlpackage": "Core ML",
    ".pdiparams": "Paddle",
    ".pdparams": "Paddle",
    ".npy": "NumPy",
    ".npz": "NumPy",
}
"""Weights of formats that are not read yet."""

SAVED_MODEL_PARTS: Final = ("keras_metadata.pb", "fingerprint.pb", "variables/variables.index")
"""Paths beside a ``saved_model.pb`` that are no models of their own."""

PICKLE_SUFFIXES: Final = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle")
"""Files that a framework unpickles; the globals they name are reported."""

TRAINING_STATE: Final = (
    "training_args.bin",
    "optimizer.pt",
    "optimizer.bin",
    "optimizer.pth",
    "scheduler.pt",
    "scheduler.bin",
    "scaler.pt",
    "rng_state*.pth",
    "random_states_*.pkl",
)
"""Globs of files that trainers leave beside a model: pickles too, but not the model."""

DESCRIPTIONS: Final = (
    *("mlmodel", "config.json", "adapter_config.json", "modules.json", "model_index.json"),
    *("pickle_module_info.txt", "keras_module.txt"),
)
"""Small files that say what the others are."""

NO_TENSOR_DATA: Final = frozenset(
    {
        ".csv",
        ".gif",
        ".html",
        ".ipynb",
        ".jpeg",
        ".jpg",
        ".json",
        ".jsonl",
        ".log",
        ".md",
        ".parquet",
        ".png",
        ".proto",
        ".py",
        ".pyc",
        ".svg",
        ".toml",
        ".txt",
        ".whl",
        ".yaml",
        ".yml",
    }
)
"""What lies beside an ONNX model without being its external data; exporters name that at will."""

SAME_MODEL: Final = (
    "saved_model",
    "pytorch_model",
    "tf_model",
    "flax_model",
    "rust_model",
    "diffusion_pytorch_model",
    "consolidated",
    "openvino_model",
)
"""Stems that stand for ``model``: the same weights as another framework calls them."""

CONVERSIONS: Final = frozenset({"coreml", "openvino"})
"""Folders beside a model in which hubs keep what it was converted to, in formats that are not read."""

STATE_DICTS: Final = frozenset({"safetensors", "pytorch-zip", "pytorch-legacy", "torchscript", "pytorch-pt2"})
"""Formats of which two can be compared matrix by matrix, as they name them alike."""

GRAPHS: Final = (".onnx", ".keras", ".pb", ".index", ".h5", ".hdf5")
"""Suffixes of files that are of none of those formats."""

NO_WEIGHTS: Final = frozenset(
    {
        "catboost",
        "crewai",
        "dspy",
        "h2o",
        "haystack",
        "langchain",
        "lightgbm",
        "llama_index",
        "openai",
        "pmdarima",
        "prophet",
        "rfunc",
        "sklearn",
        "spark",
        "statsmodels",
        "xgboost",
    }
)
"""Flavours whose models hold no weight matrices, or none that is read: trees, estimators, chains of calls."""

UNREAD_FLAVOURS: Final[dict[str, str]] = {
    "paddle": "Paddle",
    "spacy": "spaCy",
    "johnsnowlabs": "Spark NLP",
    "fastai": "fastai",
    "gluon": "Gluon",
    "mxnet": "MXNet",
}
"""Flavours whose weights are in a format that is not read yet."""


@dataclass(frozen=True, slots=True)
class FlavourLayout:
    """Where a flavour keeps its weights, and which files its loader opens there.

    Attributes
    ----------
    keys:
        Keys in ``MLmodel`` that name its places, and the places it has where a key is not given.
    files:
        Files that its loader looks for in a place, in this order; the first that is there is opened.
        Empty: every model in the place is read.
    beside:
        Files that it opens besides, the first of them that is there.
    every:
        Settings that are not looked at decide which of ``files`` is opened: all that are there are read.
    nested:
        A place has folders with such files of their own, instead of nothing else that is opened.
    suffixes:
        What the loader appends to a place that is no folder.
    """

    keys: dict[str, tuple[str, ...]]
    files: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    every: bool = False
    nested: bool = False
    suffixes: tuple[str, ...] = ()


_KERAS_FILES: Final = ("model.keras", "model.h5", "model/saved_model.pb", "saved_model.pb")
PRETRAINED: Final = "model.safetensors"
_PRETRAINED_FILES: Final = (
    PRETRAINED,
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
OTHER_PRETRAINED_FILES: Final = ("tf_model.h5", "tf_model.h5.index.json", "flax_model.msgpack")
"""What ``from_pretrained`` of transformers' TensorFlow and Flax classes opens besides."""

FLAVOURS: Final[dict[str, FlavourLayout]] = {
    "pytorch": FlavourLayout({"model_data": ("data",)}, ("model.pth", "model.pt2")),
    "onnx": FlavourLayout({"data": ("model.onnx",)}),
    "keras": FlavourLayout({"data": ("data", "model")}, _KERAS_FILES, every=True, suffixes=(".keras", ".h5")),
    "tensorflow": FlavourLayout(
        {"data": ("data",), "saved_model_dir": ("tfmodel", "tf2model")},
        _KERAS_FILES,
        every=True,
        suffixes=(".keras", ".h5"),
    ),
    "transformers": FlavourLayout(
        {"model_binary": ("model", "pipeline"), "peft_adaptor": ("peft",)},
        _PRETRAINED_FILES,
        ("adapter_model.safetensors", "adapter_model.bin"),
    ),
    "sentence_transformers": FlavourLayout(
        {"": ("model.sentence_transformer",)}, _PRETRAINED_FILES, nested=True
    ),
}
"""Flavours whose weights are read; any other is read like a plain folder."""

LOAD_THE_FOLDER: Final = frozenset({"pytorch", "tensorflow", "sentence_transformers"})
"""Flavours whose loader, where ``python_function`` names no ``data``, looks for its files in the artifact
itself; the others then go by their own settings."""

NEED_FILES: Final = frozenset({"pytorch", "onnx", "keras", "tensorflow"})
"""Flavours that cannot be without weight files; others may refer to weights that lie elsewhere."""
