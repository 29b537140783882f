"""The groups of metrics beside the default one: which function computes which."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from gate.spectra.interface import Group, Settings
    from gate.spectra.spectrum import Spectrum

MEASURES: Final[tuple[tuple[frozenset[Group], str, str], ...]] = (
    (frozenset({"randomness", "shuffle"}), "gate.spectra.randomness", "randomness"),
    (frozenset({"tails"}), "gate.spectra.tails", "tails"),
    (frozenset({"aspect"}), "gate.spectra.aspect", "aspect"),
)
"""Groups, module and name of the function ``(spectrum, settings) -> field values``.

Imported when asked for: they need parts of scipy that the default metrics do without.
"""


@dataclass(frozen=True, slots=True)
class Extra:
    """What the groups that were asked for found."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    shuffled_eigenvalues: NDArray[np.float64] | None = None


_NO_FURTHER: Final[frozenset[Group]] = frozenset({"default"})
_NOTHING: Final = Extra()


def measure_groups(spectrum: Spectrum, settings: Settings) -> Extra:
    """Compute every group that the settings name, for a spectrum with a positive eigenvalue."""
    if settings.groups <= _NO_FURTHER:
        return _NOTHING
    fields: dict[str, Any] = {}
    flags: list[str] = []
    for groups, module, function in MEASURES:
        if groups & settings.groups:
            found = dict(getattr(import_module(module), function)(spectrum, settings))
            flags.extend(found.pop("flags", ()))
            fields |= found
    shuffled = fields.pop("shuffled_eigenvalues", None)
    return Extra(fields, tuple(flags), shuffled)
