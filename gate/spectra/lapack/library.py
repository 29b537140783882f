"""Finds the OpenBLAS that numpy ships in its wheels and binds its routines.

The library holds all of LAPACK, the two-stage tridiagonalisation included, under symbols that
numpy's Python interface does not offer.  They are private: everything here may be absent, and
:mod:`gate.spectra.lapack` then falls back to numpy's public functions.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


_PLACES: Final = (
    ("numpy.libs", "libscipy_openblas64_*"),  # Linux and Windows wheels of numpy 2
    ("numpy/.dylibs", "libscipy_openblas64_*"),  # macOS wheels
    ("numpy.libs", "libopenblas64_*"),  # numpy 1.26
    ("numpy/.dylibs", "libopenblas64_*"),
)
_PREFIXES: Final = ("scipy_", "")
_SUFFIX: Final = "64_"
_ROUTINES: Final = (
    *("gemm", "symm", "syrk", "syr2k", "geqrt3"),
    *("sytrd", "sytrd_sb2st", "sterf", "stemr", "ormtr", "gesdd"),
)

_ONE_CHARACTER: Final = ctypes.c_size_t(1)
"""The hidden length Fortran expects for each character argument, after all others."""


@dataclass(frozen=True, slots=True)
class Library:
    """An ILP64 OpenBLAS whose every needed symbol was found."""

    path: str
    routines: dict[str, Any]
    get_threads: Any
    set_threads: Any

    def call(self, name: str, *arguments: Any) -> None:
        """Call the routine ``name``, its precision's letter first: ``dsyrk``.

        Parameters
        ----------
        arguments:
            In Fortran's order: ``bytes`` for a CHARACTER*1, ``int`` for an INTEGER, an array for its first
            element, and what :mod:`ctypes` refers to as it is.
        """
        lengths = [_ONE_CHARACTER for value in arguments if isinstance(value, bytes)]
        self.routines[name](*map(_argument, arguments), *lengths)

    def solve(self, name: str, *arguments: Any) -> int:
        """Call a routine of LAPACK, whose last argument is INFO, and return that; see :meth:`call`."""
        info = ctypes.c_int64(0)
        self.call(name, *arguments, ctypes.byref(info))
        return info.value


def _argument(value: Any) -> Any:
    if isinstance(value, int):
        return ctypes.byref(ctypes.c_int64(value))
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    return value


def find() -> Library | None:
    """Return numpy's own OpenBLAS, or None when it has another BLAS or lacks a symbol."""
    for path in _paths():
        try:
            handle = ctypes.CDLL(str(path))
        except OSError:  # a library of another platform, or one whose own dependencies are missing
            continue
        for prefix in _PREFIXES:
            library = _bind(handle, str(path), prefix)
            if library is not None:
                return library
    return None


def _paths() -> Iterator[Path]:
    site = Path(np.__file__).parent.parent
    for folder, pattern in _PLACES:
        yield from sorted((site / folder).glob(pattern))


def _bind(handle: ctypes.CDLL, path: str, prefix: str) -> Library | None:
    routines = {}
    for letter in "ds":
        for routine in _ROUTINES:
            symbol = _symbol(handle, f"{prefix}{letter}{routine}_{_SUFFIX}")
            if symbol is None:
                return None
            symbol.restype = None
            routines[letter + routine] = symbol
    get_threads = _symbol(handle, f"{prefix}openblas_get_num_threads{_SUFFIX}")
    set_threads = _symbol(handle, f"{prefix}openblas_set_num_threads{_SUFFIX}")
    if get_threads is None or set_threads is None:
        return None
    return Library(path, routines, get_threads, set_threads)


def _symbol(handle: ctypes.CDLL, name: str) -> Any:
    return getattr(handle, name, None)
