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

DESCRIPTIONS: Final = ("mlmodel", "config.json", "adapter_config.json", "modules.json", "model_index.json")
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
)
"""Stems that stand for ``model``: the same weights as another framework calls them."""

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
"""Flavours whose models hold no weight matrices: trees, linear models, chains of calls."""

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
    """Where a flavour keeps its weights: the values of these keys in ``MLmodel``, and these folders."""

    keys: tuple[str, ...]
    folders: tuple[str, ...] = ()


FLAVOURS: Final[dict[str, FlavourLayout]] = {
    "pytorch": FlavourLayout(("model_data",), ("data",)),
    "onnx": FlavourLayout(("data",), ("model.onnx",)),
    "keras": FlavourLayout(("data",), ("data",)),
    "tensorflow": FlavourLayout(("data", "saved_model_dir"), ("data", "tfmodel", "tf2model")),
    "transformers": FlavourLayout(
        ("model_binary", "peft_adaptor"), ("model", "pipeline", "components", "peft")
    ),
    "sentence_transformers": FlavourLayout(("data",), ("model.sentence_transformer",)),
}
"""Flavours whose weights are read; any other is read like a plain folder."""

NEED_FILES: Final = frozenset({"pytorch", "onnx", "keras", "tensorflow"})
"""Flavours that cannot be without weight files; others may refer to weights that lie elsewhere."""
