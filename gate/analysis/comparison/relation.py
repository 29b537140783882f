"""From the distances of tensors to what became of each layer, and of the model."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.analysis.comparison.interface import Change, LayerPair, Relation
    from gate.analysis.comparison.tensors import Distance
    from gate.layer import WeightLayer

EXPORT_NOISE: Final = 1e-6
"""Relative change up to which two tensors are the same: a few roundings in single precision."""
FOLD_NOISE: Final = 1e-3
"""What folding a batch norm leaves of a row that was only scaled."""
RELATED: Final = 0.5
"""Cosine from which a layer still is the other's: independent matrices of n weights have one of 1/√n."""
SPARSER: Final = 0.05
"""Rise of the share of zeros from which a layer was pruned."""
PRUNED_COSINE: Final = 0.5
ROUNDING: Final = 3.0
"""Quantisers that search for better roundings (GPTQ and the like) err by up to this many plain ones."""

_MANTISSA: Final = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
_FLOAT8: Final = re.compile(r"float8_e\dm(\d)")


def change_of(a: WeightLayer, b: WeightLayer, found: Distance, *, folded: bool, rounded: bool) -> Change:
    """Return what became of a layer; ``folded`` lets rows be rescaled, ``rounded`` was tested by value."""
    if found.equal or (found.relative is not None and found.relative <= EXPORT_NOISE and not _coarser(a, b)):
        return "identical"
    if rounded or (_coarser(a, b) and _within_rounding(a, b, found)):
        return "quantised"
    if folded and found.rescaled is not None and found.rescaled <= FOLD_NOISE:
        return "rescaled"
    cosine = found.cosine or 0.0
    if found.sparsity_b - found.sparsity_a >= SPARSER and cosine >= PRUNED_COSINE:
        return "pruned"
    return "changed" if cosine >= RELATED else "unrelated"


def _coarser(a: WeightLayer, b: WeightLayer) -> bool:
    """Tell whether the two are stored in types of different precision."""
    return a.dtype != b.dtype


def _step(layer: WeightLayer) -> float:
    """Return the relative rounding step of a floating type, 0 for one whose step is absolute."""
    found = _FLOAT8.match(layer.dtype)
    mantissa = int(found.group(1)) + 1 if found else _MANTISSA.get(layer.dtype)
    return 0.0 if mantissa is None else 2.0**-mantissa


def _within_rounding(a: WeightLayer, b: WeightLayer, found: Distance) -> bool:
    """Tell whether rounding alone explains the change.

    Rounding to a grid of steps s errs by s/√12 a weight (root mean square), a floating type by at most
    its relative step.
    """
    if found.relative is None or found.rms_a == 0:
        return False
    steps = [layer.quantisation_step for layer in (a, b) if layer.quantisation_step is not None]
    absolute = max(steps, default=0.0) / math.sqrt(12) / found.rms_a
    return found.relative <= ROUNDING * max(absolute, _step(a), _step(b))


def relation_of(
    pairs: Sequence[LayerPair], *, same_digest: bool, same_container: bool, gone: int, added: int
) -> tuple[Relation, str]:
    """Return how the models are related, with the reason.

    ``gone`` and ``added`` are the parameters of layers without a partner; ``same_container`` says that
    format, names and storage types agree.
    """
    if same_digest:
        return "identical", "the files are the same, byte for byte"
    paired = sum(pair.parameters for pair in pairs)
    shares = {change: _share(pairs, change, paired) for change in _ORDER}
    said = ", ".join(f"{100 * share:.3g} % {change}" for change, share in shares.items() if share > 0)
    if not paired or shares["unrelated"] > RELATED or max(gone, added) > paired:
        missing = "; most of the weights have no partner" if max(gone, added) > paired or not paired else ""
        return "different", f"of the weights in pairs {said or 'none'}{missing}"
    if gone or added:
        return _with_rest(shares, said, gone=gone, added=added)
    if shares["identical"] == 1.0 and same_container:
        return "identical", (
            "every weight matrix is the same, under the same name in the same form; "
            "biases and other vectors were not compared"
        )
    if shares["identical"] + shares["rescaled"] == 1.0:
        how = "with batch norms folded" if shares["rescaled"] else "in another form or under other names"
        return "re-exported", f"every weight matrix is the same, {how}"
    return _changed(shares), f"of the weights {said}"


_ORDER: Final[tuple[Change, ...]] = ("identical", "rescaled", "quantised", "pruned", "changed", "unrelated")


def _share(pairs: Sequence[LayerPair], change: Change, total: int) -> float:
    held = sum(pair.parameters for pair in pairs if pair.change == change)
    return held / total if total else 0.0


def _changed(shares: dict[Change, float]) -> Relation:
    """Return what most of the weights that did not stay the same went through."""
    tuned = shares["changed"] + shares["unrelated"]
    if shares["pruned"] and shares["pruned"] >= tuned:
        return "pruned"
    return "quantised" if shares["quantised"] and not tuned else "fine-tuned"


def _with_rest(shares: dict[Change, float], said: str, *, gone: int, added: int) -> tuple[Relation, str]:
    """Return the relation where some layers have no partner: dropped ones prune, new ones were trained."""
    whole = shares["identical"] + shares["rescaled"] == 1.0
    if gone and not added and (whole or _changed(shares) == "pruned"):
        return "pruned", f"layers are gone; of the rest {said}"
    return "fine-tuned", f"layers were replaced or added; of the common part {said}"
