"""What every number means: one entry per field of a layer's row and of the model's summary.

Rules, ``gate policy explain`` and docs/metrics.md are made from this table.  A new field gets its
entry here; a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.spectra.metrics.layer import LAYER_METRICS
from gate.spectra.metrics.model import MODEL_METRICS

if TYPE_CHECKING:
    from gate.spectra.interface import Metric

__all__ = ["METRICS", "metric"]

METRICS: Final[tuple[Metric, ...]] = (*LAYER_METRICS, *MODEL_METRICS)


def metric(identifier: str) -> Metric:
    """Return the metric called ``layer.…`` or ``model.…``.

    Raises
    ------
    gate.errors.UsageError
        There is none of that name; the hint names the closest ones.
    """
    for entry in METRICS:
        if entry.id == identifier:
            return entry
    from difflib import get_close_matches  # noqa: PLC0415 - only a misspelt name needs it

    close = get_close_matches(identifier, [entry.id for entry in METRICS])
    hint = f"Did you mean {' or '.join(close)}?" if close else "docs/metrics.md lists them all."
    raise UsageError(f"unknown metric {identifier!r}", hint=hint)
