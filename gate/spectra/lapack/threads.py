"""How many threads BLAS uses, chosen by the size of the matrix and by nothing else.

The number of BLAS threads changes the last bits of an eigenvalue.  If it followed the number of
workers, so would the results.  A tiled backend uses one, and shares a large matrix between threads
of its own.  For the others, a matrix below :data:`LARGE` always runs on one BLAS thread, however idle
the machine, beside others of its kind; a larger one always runs on all of them, alone.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from gate.spectra.lapack.interface import Backend

LARGE: Final = 3000
"""Rows of a Gram matrix from which on BLAS threads pay more than threads side by side."""


class BlasThreads:
    """A gate that lets many small matrices in at once, or one large one alone."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.RLock()  # an interrupt leaves it whole, the condition's own methods not
        self._condition = threading.Condition(self._lock)
        self._inside = 0
        self._waiting = 0
        self._alone = False
        self._before = 1
        self._one = _One(self)

    @contextmanager
    def sized(self, size: int) -> Iterator[None]:
        """Hold the threads that a Gram matrix of ``size`` rows gets."""
        with self.all() if size >= LARGE else self.one():
            yield

    def one(self) -> AbstractContextManager[None]:
        """Run on one BLAS thread, beside others."""
        return self._one

    def enter(self) -> None:
        """Come in beside others; the first sets the number of threads."""
        with self._lock:
            self._condition.wait_for(lambda: not self._alone and not self._waiting)
            if self._inside == 0:
                self._before = self._backend.threads()
                if self._before != 1:
                    self._backend.set_threads(1)
            self._inside += 1

    def leave(self) -> None:
        """Go; the last one restores the number of threads."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                if self._before != 1:
                    self._backend.set_threads(self._before)
                self._condition.notify_all()

    @contextmanager
    def all(self) -> Iterator[None]:
        """Run on as many BLAS threads as the process was given, alone."""
        with self._lock:
            self._waiting += 1
            try:
                self._condition.wait_for(lambda: not self._alone and self._inside == 0)
                self._alone = True
            finally:
                self._waiting -= 1
                self._condition.notify_all()
        try:
            yield
        finally:
            with self._lock:
                self._alone = False
                self._condition.notify_all()

    def restore(self) -> None:
        """Give BLAS its threads back, in the child of a fork that has none of the threads inside."""
        if self._inside and self._before != 1:
            self._backend.set_threads(self._before)


class _One:
    """Holds one thread beside others; entered some times per layer, so no generator."""

    __slots__ = ("_threads",)

    def __init__(self, threads: BlasThreads) -> None:
        self._threads = threads

    def __enter__(self) -> None:
        self._threads.enter()

    def __exit__(self, *_: object) -> None:
        self._threads.leave()
