"""From registered networks to analyses, by the front door: ``models:/NAME/V``, files read, nothing run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.common import say
from gate.api import analyze

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.contest.registry import Entry, Registry
    from gate.analysis.interface import Analysis

_TELL_EVERY = 24


def measured(registry: Registry, entries: Iterable[Entry], *, full: bool = False) -> dict[str, Analysis]:
    """Return the analysis of each network by id; ``full`` with every group of metrics."""
    found: dict[str, Analysis] = {}
    for entry in entries:
        found[entry.network] = analyze(
            entry.uri,
            full=full,
            groups=("randomness",),
            jobs=1,
            tracking_uri=registry.address.tracking_uri,
            registry_uri=registry.address.registry_uri,
        )
        if len(found) % _TELL_EVERY == 0:
            say(f"{len(found)} networks measured")
    return found
