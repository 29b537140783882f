"""What a layer's flags say in words, and which of them make a layer worth a look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate.text import printable

_OF_THE_FIT: Final = frozenset(
    {
        "few-decades",
        "float32",
        "no-clear-minimum",
        "outside-convention",
        "short-tail",
        "small-sample",
        "truncated-tail",
        "unknown-rounding",
    }
)
"""Flags that say how far a fit can be trusted; most layers of a small model carry one."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A flag's short title and, where the engine's table has one, its meaning."""

    title: str
    meaning: str
    remarkable: bool


def explain(flag: str) -> Explained:
    """Return a flag in words; one the table does not know (a saved report, a plugin) by its own name."""
    from gate.spectra.flags import FLAGS  # noqa: PLC0415 - brings numpy, which few formats need

    return Explained(printable(flag), FLAGS.get(flag, ""), remarkable((flag,)))


def remarkable(flags: tuple[str, ...]) -> bool:
    """Tell whether one of the flags speaks of the weights, not only of how well a fit can be trusted."""
    return any(flag not in _OF_THE_FIT for flag in flags)
