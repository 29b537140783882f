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

    from numpy.typing import NDArray

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

ONE_CHARACTER: Final = ctypes.c_size_t(1)
"""The hidden length Fortran expects for each character argument."""


@dataclass(frozen=True, slots=True)
class Library:
    """An ILP64 OpenBLAS whose every needed symbol was found."""

    path: str
    routines: dict[str, Any]
    get_threads: Any
    set_threads: Any

    def __getitem__(self, name: str) -> Any:
        """Return the routine called ``name``, its precision's letter first: ``dsyrk``."""
        return self.routines[name]


def integer(value: int) -> Any:
    """Return a reference to a 64-bit Fortran INTEGER."""
    return ctypes.byref(ctypes.c_int64(value))


def character(value: bytes) -> Any:
    """Return a Fortran CHARACTER*1."""
    return ctypes.c_char_p(value)


def address(array: NDArray[Any]) -> Any:
    """Return the address of an array's first element; the caller keeps the array alive."""
    return ctypes.c_void_p(array.ctypes.data)


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
