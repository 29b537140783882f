"""Keys of a checkpoint: which are the model's, what a person calls them, and which say the same twice.

TensorFlow 2 keys a variable by its path among the saved objects (``layer_with_weights-0/kernel/
.ATTRIBUTES/VARIABLE_VALUE``) and keeps the name it was made with (``conv2d/kernel``) in the object
graph; TensorFlow 1 keys it by that name.
Source: ``tensorflow/core/protobuf/trackable_object_graph.proto``.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from gate.weights.names import natural_key
from gate.weights.protobuf.scanner import Scanner
from gate.weights.protobuf.wire import Span
from gate.weights.savedmodel import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gate.weights.savedmodel.bundle import Variable

_VALUE: Final = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT: Final = "/.OPTIMIZER_SLOT/"
_COUNTERS: Final = ("iter", "iterations", "_iterations")
_NOT_ITS_OWN: Final = ("_trainable_variables/", "_model_variables/")
_METRICS: Final = re.compile(r"(^|/)(keras_api/metrics|_metrics|compiled_metrics|_compile_metrics)/")
_DEFAULT_NAME: Final = re.compile(r"(Variable(_[0-9]+)?)?")
_TF1_SLOTS: Final = re.compile(
    r"/(Adam|Adadelta|Adagrad|AdaMax|Ftrl|LAMB|Momentum|RMSProp|adam_[mv]|accum|ExponentialMovingAverage)(_[0-9]+)?$"
)
_BOOKKEEPING: Final = frozenset({"save_counter", "global_step", "beta1_power", "beta2_power"})


def full_names(objects: bytes) -> dict[str, str]:
    """Return the name that each variable was made with, by its key in the checkpoint.

    Raises
    ------
    gate.errors.ModelError
        The bytes are no ``TrackableObjectGraph``.
    """
    scanner = Scanner(objects)
    graph = scanner.collect(Span(0, len(objects)), schema.CHECKPOINT_OBJECTS)
    names: dict[str, str] = {}
    for node in graph.spans.get("nodes", ()):
        for attribute in scanner.collect(node, schema.CHECKPOINT_OBJECT).spans.get("attributes", ()):
            text = scanner.collect(attribute, schema.CHECKPOINT_ATTRIBUTE).text
            names.setdefault(text.get("key", ""), text.get("full_name", ""))
    return names


def path_of(key: str) -> str:
    """Return the path of the object whose value the key stands for."""
    return key.removesuffix(_VALUE)


class TrainingState:
    """Tells what in a checkpoint belongs to the training run and not to the model."""

    def __init__(self, variables: Iterable[Variable]) -> None:
        self._shapes = {path_of(variable.key): variable.shape for variable in variables}
        self._optimizers = {
            path.removesuffix(counter)
            for path in self._shapes
            for counter in _COUNTERS
            if path.endswith(f"/{counter}")
        }

    def reason(self, key: str) -> str | None:
        """Return why the variable is not the model's; None for the model's own."""
        path = path_of(key)
        if _SLOT in key or self._is_slot(path):
            return "kept by the optimizer beside a weight"
        if any(path.startswith(place) and not self._is_borrowed(path, place) for place in self._optimizers):
            return "state of the optimizer"
        if _METRICS.search(path):
            return "state of a metric"
        return "a counter of the training run" if path in _BOOKKEEPING else None

    def _is_slot(self, path: str) -> bool:
        """Tell whether TensorFlow 1 keeps it for another variable of the same shape."""
        variable = _TF1_SLOTS.sub("", path)
        return variable != path and self._shapes.get(variable) == self._shapes[path]

    @staticmethod
    def _is_borrowed(path: str, optimizer: str) -> bool:
        return path.removeprefix(optimizer).startswith(_NOT_ITS_OWN)


def in_depth_order(variables: Iterable[Variable]) -> list[Variable]:
    """Return variables by the paths of their objects, in which Keras numbers layers by depth.

    Its private lists of the same variables, in no order, come last.
    """
    return sorted(variables, key=lambda variable: (variable.key.startswith("_"), natural_key(variable.key)))


def display_names(keys: Sequence[str], full: Mapping[str, str]) -> dict[str, str]:
    """Return what to call each variable: the name it was made with, if that tells it from the others."""
    made = {key: full.get(key, "") for key in keys}
    count = Counter(made.values())
    return {
        key: name if count[name] == 1 and not _DEFAULT_NAME.fullmatch(name) else _placed(path_of(key), name)
        for key, name in made.items()
    }


def _placed(path: str, name: str) -> str:
    """Return the path, and what the variable is called there if neither says it already."""
    last = name.rpartition("/")[2]
    return path if _DEFAULT_NAME.fullmatch(last) or path.endswith(f"/{last}") else f"{path}/{last}"
