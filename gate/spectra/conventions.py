"""The named conventions: which choices make a number comparable with whose.

``gate-1`` is frozen once released; a different choice is a new name.
"""

from __future__ import annotations

from typing import Final

from gate.errors import UsageError
from gate.spectra.interface import Convention

GATE_1: Final = Convention(name="gate-1")
"""Our own: no scaling, pooled slices, parts split, zero is the storage type's rounding noise."""

PAPER: Final = Convention(name="paper", pooled=False)
"""arXiv:2106.00734, footnote 16: one spectrum per convolution slice."""

WEIGHTWATCHER_0_7: Final = Convention(
    name="weightwatcher-0.7",
    conv_scale=0.5,
    split=False,
    zero="absolute",
    zero_threshold=1e-5,
    outlier_alpha=None,
    failed_as=-1.0,
    size_limits=(8, 15_000, 50_000),
    stored_whole=True,
    small_sample_fallback=True,
    rank="machine",
    entropy_epsilon=1e-10,
    marchenko_pastur="weightwatcher",
)
"""WeightWatcher 0.7.7 with its default settings."""

WEIGHTWATCHER_0_2: Final = Convention(
    name="weightwatcher-0.2",
    conv_scale="kernel/2",
    pooled=False,
    split=False,
    zero="absolute",
    ks="truncated",
    small_sample=0,
    small_sample_tail=2,
    stored_whole=True,
    small_sample_fallback=True,
    rank="machine",
)
"""WeightWatcher 0.2.7, with which the published tables of arXiv:2106.00734 were made."""

CONVENTIONS: Final[tuple[Convention, ...]] = (GATE_1, PAPER, WEIGHTWATCHER_0_7, WEIGHTWATCHER_0_2)


def convention(name: str) -> Convention:
    """Return the convention called ``name``.

    Raises
    ------
    gate.errors.UsageError
        There is none of that name; the hint lists those there are.
    """
    for candidate in CONVENTIONS:
        if candidate.name == name:
            return candidate
    choices = ", ".join(candidate.name for candidate in CONVENTIONS)
    raise UsageError(f"unknown convention {name!r}", hint=f"Choose one of: {choices}.")
