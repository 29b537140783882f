"""Linear algebra for the engine: Gram matrices and eigenvalues, as fast as the machine's BLAS allows.

Comes in: a matrix in its storage precision.  Goes out: the eigenvalues of its small Gram matrix.
Knows nothing of layers, conventions or metrics.

The fast backend reaches into numpy's own OpenBLAS (:mod:`.library`, :mod:`.openblas`); where a
symbol is missing, or a first tiny problem comes out wrong, numpy's public functions do the work
(:mod:`.portable`).  ``GATE_LAPACK=numpy`` asks for those.  Large matrices are cut into tiles
(:mod:`.tiled`), which threads that have nothing else to do take over (:mod:`.crew`).
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import Final

import numpy as np

from gate.errors import GateError
from gate.spectra.lapack import library
from gate.spectra.lapack.crew import crew
from gate.spectra.lapack.interface import Backend
from gate.spectra.lapack.openblas import OpenBlas
from gate.spectra.lapack.portable import Portable
from gate.spectra.lapack.threads import BlasThreads

__all__ = ["Backend", "OpenBlas", "Portable", "backend", "blas_threads", "crew"]

_PROBE: Final = (60, 40)
_PROBE_BAND: Final = 8
_PROBE_TOLERANCE: Final = 1e-10


_lock = threading.RLock()


def backend() -> Backend:
    """Return the backend of this process, chosen and tried out once."""
    with _lock:
        return _backend()


def blas_threads() -> BlasThreads:
    """Return the process's one gate to BLAS's threads."""
    with _lock:
        return _blas_threads()


@cache
def _backend() -> Backend:
    if os.environ.get("GATE_LAPACK") != "numpy":
        found = library.find()
        if found is not None and _works(candidate := OpenBlas(found)):
            return candidate
    return Portable()


@cache
def _blas_threads() -> BlasThreads:
    return BlasThreads(_backend())


def _begin_anew() -> None:
    """Forget, in the child of a fork, locks that threads of the parent held, and who was at work."""
    global _lock  # noqa: PLW0603 - the one that was copied may be held by nobody who could let it go
    _lock = threading.RLock()
    crew.cache_clear()
    if _blas_threads.cache_info().currsize:
        _blas_threads().restore()
    _blas_threads.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def _works(candidate: OpenBlas) -> bool:
    """Compare the reductions, the vectors and the decomposition with numpy on a small matrix."""
    matrix = np.sin(np.arange(1.0, _PROBE[0] * _PROBE[1] + 1) ** 2).reshape(_PROBE)
    threads = candidate.threads()
    candidate.set_threads(1)  # others, once woken, wait busily for a tenth of a second
    try:
        expected = np.linalg.eigvalsh(matrix.T @ matrix)
        values, basis = candidate.eigenvalues_and_basis(candidate.gram(matrix, np.float64), len)
        if basis is None:
            return False
        answers = (
            values,
            np.square(matrix @ basis).sum(axis=0),
            candidate.one_stage(candidate.gram(matrix, np.float64)),
            candidate.two_stage(candidate.gram(matrix, np.float64), _PROBE_BAND),
            candidate.singular_values(matrix)[::-1] ** 2,
        )
    except GateError:
        return False
    finally:
        candidate.set_threads(threads)
    return all(np.allclose(answer, expected, rtol=_PROBE_TOLERANCE) for answer in answers)
