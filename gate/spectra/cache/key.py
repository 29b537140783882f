"""The key of a cached result: everything that its numbers depend on, and nothing else.

The tensor and the layer's own name do not enter by name: an unchanged layer keeps its key in the next
version even if it was renamed.  Only metrics that draw random numbers depend on the name, through
the seed of each row, and then it enters.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

from gate.spectra.cache.engine import identity
from gate.spectra.lapack import backend, blas_threads, threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.layer import WeightLayer
    from gate.spectra.interface import Settings

_NOT_IN_NUMBERS: Final = frozenset({"name", "tensor", "read", "right", "bytes_digest"})
"""Fields of a layer that name it or read it; what they read enters by its digest."""


def layer_key(layer: WeightLayer, settings: Settings, digests: Sequence[str], blas: int) -> str:
    """Return the hexadecimal key of the result of measuring ``layer`` with ``settings``.

    Parameters
    ----------
    layer:
        The layer; every field that is not a name or a reader enters.
    settings:
        Every field but ``jobs`` enters; ``seed`` only where random numbers are drawn.
    digests:
        :func:`~gate.spectra.cache.tensor.tensor_digest` of what the layer reads.
    blas:
        :func:`process_threads`; enters where the layer is large enough for them.
    """
    random = bool(settings.groups - {"default"})
    material = {
        "engine": asdict(identity()),
        "blas_threads": blas if uses_threads(layer) else 1,
        "tensors": list(digests),
        "layer": {
            field.name: _plain(getattr(layer, field.name))
            for field in fields(layer)
            if field.name not in _NOT_IN_NUMBERS
        },
        "convention": asdict(settings.convention),
        "groups": sorted(settings.groups),
        "float32": settings.float32,
        "random": [settings.seed, layer.name] if random else None,
    }
    if settings.plugins:
        material["plugins"] = [plugin.identity for plugin in settings.plugins]
    return hashlib.sha256(json.dumps(material, sort_keys=True).encode()).hexdigest()


def uses_threads(layer: WeightLayer) -> bool:
    """Tell whether the layer may be large enough for BLAS threads, whose number enters its bits."""
    return len([extent for extent in layer.shape if extent >= threads.LARGE]) > 1


def process_threads() -> int:
    """Return how many BLAS threads a large matrix gets in this process; waits until none is measured."""
    with blas_threads().all():
        return backend().threads()


def _plain(value: Any) -> Any:
    """Return a field as JSON has it; parts are dataclasses within a tuple."""
    if isinstance(value, tuple):
        return [asdict(item) if hasattr(item, "__dataclass_fields__") else item for item in value]
    return value
