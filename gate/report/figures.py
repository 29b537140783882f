"""How numbers, shapes and shares are written for people, the same in every format."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.interface import Value

NONE: Final = "–"
"""What stands where there is no figure."""

_SMALLEST_PLAIN: Final = 1e-3
_LARGEST_PLAIN: Final = 1e6


def finite(value: Value) -> float | None:
    """Return ``value`` as a finite float, or None where it is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def known(value: Value) -> bool:
    """Tell whether there is anything to show: a number that is not finite is as good as none."""
    return isinstance(value, (str, bool)) or finite(value) is not None


def figure(value: Value, digits: int = 4) -> str:
    """Write one value with ``digits`` significant digits; a missing or non-finite one as a dash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return printable(value)
    number = finite(value)
    if number is None:
        return NONE
    return f"{value:,}" if isinstance(value, int) else _significant(number, digits)


def _significant(number: float, digits: int) -> str:
    if number == 0:
        return "0"
    if not _SMALLEST_PLAIN <= abs(number) < _LARGEST_PLAIN:
        return f"{number:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(number))))
    written = f"{number:,.{decimals}f}"
    return written.rstrip("0").rstrip(".") if decimals else written


def fixed(value: Value, decimals: int = 2) -> str:
    """Write one value with a fixed number of decimals, for columns that must line up."""
    number = finite(value)
    if number is None:
        return figure(value)
    if isinstance(value, int) or abs(number) >= _LARGEST_PLAIN:
        return figure(value)
    return f"{number:,.{decimals}f}"


def signed(value: float) -> str:
    """Write a difference with its sign; a whole one without decimals."""
    if value == int(value):
        return f"{value:+,.0f}" if value else "0"
    return f"{value:+,.3f}" if _SMALLEST_PLAIN <= abs(value) < _LARGEST_PLAIN else f"{value:+.1e}"


def shape(extents: tuple[int, ...]) -> str:
    """Write a shape."""
    return " × ".join(str(extent) for extent in extents)


def percent(share: float) -> str:
    """Write a share; never rounds what is short of all up to 100 %."""
    rounded = math.floor(share * 1000) / 10
    return f"{rounded:.1f} %" if rounded != int(rounded) else f"{int(rounded)} %"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write a count with its noun."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def digest(value: str | None) -> str:
    """Shorten a digest for reading; the full one stands in the JSON report."""
    shown = printable(value or NONE)
    algorithm, _, rest = shown.partition(":")
    return f"{algorithm}:{rest[:12]}…" if len(rest) > 16 else shown  # noqa: PLR2004 - four more than are kept
