"""Which layer a named tensor is: from a state dict's names, shapes and types to weight layers.

Safetensors, PyTorch's containers and mappings of arrays store no graph, only named tensors; what a
tensor does follows from its name, its shape and its neighbours.  In: tensors in the order of the
file.  Out: layers with their kinds, and every other tensor of two or more dimensions with a reason.
It must never read a weight's values (only the few scales of a quantised one), nor know a container.

The work is a row of stages, each of which takes the tensors it understands out of the row; names and
schemes are tables in :mod:`gate.weights.state_dict.tables`.
"""

from gate.weights.state_dict.describe import StateDictLayers, describe

__all__ = ["StateDictLayers", "describe"]
