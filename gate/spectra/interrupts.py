"""Signals put off while the main thread is at something that other threads wait for.

Python runs a signal's handler, and raises what it raises (Ctrl-C: KeyboardInterrupt), between any two of the
main thread's instructions, also inside the Python code of ``threading.Condition``: a lock that is left
held then stops every later analysis.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], Any]

_SIGNALS: Final = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGBREAK", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)
"""What programs handle, to end themselves or what takes too long."""


class _PuttingOff(threading.local):
    """Whether this thread has put signals off already."""

    yes = False


_putting_off = _PuttingOff()


@contextmanager
def signals_put_off() -> Iterator[None]:
    """Handle signals that arrive meanwhile at the end; changes nothing in other threads.

    For work of some tens of milliseconds.  May be nested: the outermost handles them.
    """
    if _putting_off.yes or threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    handlers: dict[int, Handler] = {}
    _putting_off.yes = True
    try:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                handlers[number] = handler
                signal.signal(number, lambda *arguments: arrived.append(arguments))
        yield
    finally:
        _putting_off.yes = False
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in arrived:
            handlers[number](number, frame)
