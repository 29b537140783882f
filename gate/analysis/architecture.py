"""The architecture fingerprint: two models with the same one can be compared layer by layer."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.layer import WeightLayer


def architecture_fingerprint(layers: Iterable[WeightLayer]) -> str:
    """Return ``sha256:...`` of the ordered layer kinds, shapes and groups; names do not count.

    It is taken over the weight layers and not over the rows of an analysis, so that it does not
    depend on the convention they are measured by.
    """
    described = [[layer.kind, list(layer.shape), layer.groups, len(layer.parts)] for layer in layers]
    canonical = json.dumps(described, separators=(",", ":")).encode()
    return f"sha256:{hashlib.sha256(canonical).hexdigest()}"
