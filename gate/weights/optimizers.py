"""What a training checkpoint keeps beside the model: the state of its optimizer, in a file or in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OPTIMIZER: Final = "optimizer state, no weights of the model"

_KEYS: Final = frozenset({"state", "param_groups"})
_NAMES: Final = frozenset(
    {"optimizer", "optimizers", "optimizer_state", "optimizer_states", "optimizer_state_dict"}
)


def is_optimizer_state(name: str, value: object) -> bool:
    """Tell an optimizer's state by its layout (``torch.optim``) or by the name it is saved under."""
    if isinstance(value, Mapping) and value.keys() == _KEYS:
        # exactly this: a model's tensors beside two such keys would be hidden by them
        return isinstance(value["state"], Mapping) and isinstance(value["param_groups"], list)
    return name.rpartition(".")[2] in _NAMES and isinstance(value, Mapping | list)
