"""What Keras keeps beside a SavedModel to make its own model of it again, code of Lambda layers included.

Keras 2 writes a configuration for each layer, into ``keras_metadata.pb`` and, before TensorFlow 2.5,
into the objects of the SavedModel.  Only what loading it would run or import is of interest here.
Source: ``keras/protobuf/saved_metadata.proto`` of Keras 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.keras.config import code_named
from gate.weights.protobuf.scanner import Scanner
from gate.weights.protobuf.wire import Span
from gate.weights.savedmodel import schema
from gate.weights.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FILE_NAME: Final = "keras_metadata.pb"
_LARGEST: Final = 1 << 26
_OWN_OPTIMIZERS: Final = frozenset(
    f"Custom>{name}"
    for name in (
        *("Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "Ftrl", "Lion", "Nadam", "RMSprop"),
        *("SGD", "LossScaleOptimizer", "LossScaleOptimizerV3"),
    )
)
"""Keras 2.11 and later register their own optimizers as if they were a user's."""


def code_in_file(path: Path) -> frozenset[str]:
    """Return what loading the layers that the file at ``path`` describes would run or import.

    Raises
    ------
    gate.errors.ModelError
        The file is damaged.
    gate.errors.UnsafeModelError
        It is larger than any description of a model.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size > _LARGEST:
                raise UnsafeModelError(f"{path.name} is larger than {_LARGEST >> 20} MiB")
            file.seek(0)
            data = file.read(size)
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror}") from error
    scanner = Scanner(data)
    nodes = scanner.collect(Span(0, len(data)), schema.KERAS_METADATA).spans.get("nodes", [])
    spans = (scanner.collect(node, schema.KERAS_NODE).span.get("metadata") for node in nodes)
    return code_in_texts(data[span.start : span.end] for span in spans if span is not None)


def code_in_texts(texts: Iterable[bytes]) -> frozenset[str]:
    """Return what the layers described by each of the texts, which are JSON or empty, would run or import."""
    described = (parse_object(text, "the description of a Keras layer") for text in texts if text.strip())
    return frozenset(name for layer in described for name in code_named(layer)) - _OWN_OPTIMIZERS
