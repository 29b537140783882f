"""Histories of hand-built versions: every figure is the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gate.study.calibrate.interface import PastVersion
from tests.policy.build import alphas, analysis

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.analysis.interface import Analysis


def version(number: int, found: Analysis | None = None, **fields: Any) -> PastVersion:
    """Return version ``number`` of the registered model ``net``."""
    known: dict[str, Any] = {
        "model": "net",
        "version": number,
        "name": f"net/{number}",
        "uri": f"models:/net/{number}",
        "created": 1000 * number,
        "registered": "net",
        "analysis": found,
    }
    return PastVersion(**(known | fields))


def with_alpha(number: int, alpha: float, *, layers: int = 6, **fields: Any) -> PastVersion:
    """Return a version whose layers all have the same alpha: mean alpha and AlphaHat equal it."""
    found = analysis(*alphas(*[alpha] * layers, alpha_standard_error=1e-9), digest=f"sha256:{number}")
    return version(number, found, **fields)


def series(values: Iterable[float], **fields: Any) -> list[PastVersion]:
    """Return versions 1, 2, … with these alphas."""
    return [with_alpha(number, alpha, **fields) for number, alpha in enumerate(values, 1)]


def with_run(number: int, **metrics: float) -> PastVersion:
    """Return a sound version whose run logged these metrics."""
    return version(number, analysis(*alphas(3.0, 3.0), digest=f"sha256:{number}"), run_metrics=metrics)
