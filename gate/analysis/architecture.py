"""Architecture fingerprints: two models with the same one can be compared layer by layer.

Neither looks at a name, so both survive renaming.  ``architecture`` keeps the order of the layers;
``layout`` does not, so that it also survives an export that lists them in another order.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.layer import WeightLayer
    from gate.spectra.interface import LayerMetrics


def architecture_fingerprint(layers: Iterable[WeightLayer]) -> str:
    """Return ``sha256:...`` of the ordered layer kinds, shapes and groups; names do not count.

    It is taken over the weight layers and not over the rows of an analysis, so that it does not
    depend on the convention they are measured by.
    """
    return _digest([[layer.kind, list(layer.shape), layer.groups, len(layer.parts)] for layer in layers])


def layout_fingerprint(layers: Iterable[WeightLayer]) -> str:
    """Return ``sha256:...`` of kinds, shapes and parts in no order: a multiset.

    Groups do not count: of a convolution with one column an ONNX file knows them and a state dict does
    not, and the same model must be the same in both.
    """
    described = [[layer.kind, list(layer.shape), len(layer.parts)] for layer in layers]
    return _digest(sorted(described, key=json.dumps))


def rows_fingerprint(rows: Iterable[LayerMetrics], *, ordered: bool = True) -> str:
    """Return a fingerprint of what rows of an analysis show: for figures that no file stands behind."""
    described: list[list[Any]] = [[row.kind, list(row.shape)] for row in rows]
    return _digest(described if ordered else sorted(described, key=json.dumps))


def _digest(described: list[list[Any]]) -> str:
    canonical = json.dumps(described, separators=(",", ":")).encode()
    return f"sha256:{hashlib.sha256(canonical).hexdigest()}"
