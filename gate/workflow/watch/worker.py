"""A process that checks versions for the watcher: ``python -m gate.workflow.watch.worker``.

The first line of its input is its configuration, each further one a job; each line of its output
answers one.  It lives apart from the watcher so that a model that takes all memory, or a fault in a
native library, ends this process alone.  Whatever happens to the watcher, the end of the input ends
the worker too, and what it was doing.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

from gate.errors import GateError, ModelError, RegistryError, ResourceError, UsageError
from gate.workflow.check import CheckRequest
from gate.workflow.measure import MeasureOptions
from gate.workflow.sources import RegistryAddress
from gate.workflow.watch import jobs
from gate.workflow.watch.interface import Failure
from gate.workflow.watch.memory import bound_memory

if TYPE_CHECKING:
    from types import FrameType

    from gate.workflow.watch.interface import Failing

ENDING: Final = 5.0
"""Seconds that tidying up may take once the watcher is gone."""

_TERMINATED: Final = 143


class _Terminated(BaseException):
    """Asked to end; raised so that temporary files are removed on the way out."""


def main() -> None:
    """Serve jobs until the input ends."""
    answers = _own_stdout()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the watcher decides when its workers end
    signal.signal(signal.SIGTERM, _on_sigterm)
    incoming: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(incoming,), daemon=True, name="gate-watch-jobs").start()
    first = incoming.get()
    if first is None:
        return
    configuration = json.loads(first)
    bound_memory(int(configuration["memory"]))
    try:
        while (line := incoming.get()) is not None:
            answers.write(f"{json.dumps(_answer(configuration, json.loads(line)))}\n")
            answers.flush()
    except (_Terminated, BrokenPipeError):
        os._exit(_TERMINATED)  # threads of numerical libraries may still be at work: wait for none


def _own_stdout() -> TextIO:
    """Keep stdout for answers: what libraries print goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _on_sigterm(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # tidying up is not interrupted
    raise _Terminated


def _read(incoming: queue.SimpleQueue[str | None]) -> None:
    for line in sys.stdin:
        incoming.put(line)
    incoming.put(None)
    # The watcher is gone: stop what is under way, which raises in the main thread, or end hard.
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(ENDING)
    os._exit(_TERMINATED)


def _answer(configuration: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """Do one job; whatever goes wrong in it is an answer too."""
    request = CheckRequest(
        source=str(job["uri"]),
        policies=() if job["enforced"] else tuple(Path(name) for name in configuration["policies"]),
        options=MeasureOptions(**configuration["options"]),
        record=True,
        waivers=None if configuration["waivers"] is None else Path(configuration["waivers"]),
        address=RegistryAddress(**configuration["address"]),
    )
    try:
        return {"done": asdict(jobs.JOBS[job["kind"]](request, job))}
    except MemoryError:
        return _failed("resource", "it takes more memory than a check may have")
    except GateError as error:
        return _failed(_kind(error, request), f"{error}. {error.hint}" if error.hint else str(error))
    except Exception as error:  # noqa: BLE001 - the worker's guard: a fault of ours is told, not lost
        return _failed("unexpected", f"{type(error).__name__}: {error}")


def _failed(kind: Failing, message: str) -> dict[str, Any]:
    return {"failed": asdict(Failure(kind, message))}


def _kind(error: GateError, request: CheckRequest) -> Failing:
    from gate.registry.failures import MissingError, RefusedError  # noqa: PLC0415 - after the start

    if isinstance(error, MissingError):
        with contextlib.suppress(RegistryError):
            return "gone" if jobs.is_gone(request) else "usage"
    kinds: tuple[tuple[type[GateError], Failing], ...] = (
        (RefusedError, "refused"),
        (RegistryError, "registry"),
        (ResourceError, "resource"),
        (UsageError, "usage"),
        (ModelError, "unexpected"),
    )
    return next((kind for of, kind in kinds if isinstance(error, of)), "unexpected")


if __name__ == "__main__":
    main()
