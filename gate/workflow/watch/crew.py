"""The processes that do the work, and the threads that hand it to them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any, Final

from gate.workflow.watch.interface import Done, Failure
from gate.workflow.watch.memory import share_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.workflow.watch.interface import Task, WatchRequest

_JOBS_OF_ONE_WORKER: Final = 200
"""A process that did so many gives back what its libraries hold by making room for a new one."""

_SHOWN_OF_STDERR: Final = 300
_ENDING: Final = 8.0
"""Seconds that a worker gets to tidy up after SIGTERM."""


class Worker:
    """One worker process; answers one job at a time."""

    def __init__(self, request: WatchRequest) -> None:
        self._timeout = request.timeout
        self._jobs = 0
        self._lock = threading.Lock()
        self._ended = False
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gate.workflow.watch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,  # Ctrl-C on the terminal is the watcher's to handle
        )
        with contextlib.suppress(OSError):  # one that died at once is told by the first answer
            self._send(_configuration(request))

    @property
    def used_up(self) -> bool:
        """Whether a new process should take its place."""
        return self._jobs >= _JOBS_OF_ONE_WORKER or self._process.poll() is not None

    def do(self, job: Mapping[str, Any]) -> Done | Failure:
        """Return the answer; a process that dies over it, or takes too long, is a failure too."""
        self._jobs += 1
        late = threading.Event()
        timer = threading.Timer(self._timeout, self._kill, (late,))
        timer.daemon = True
        timer.start()
        try:
            self._send(job)
            line = _stream(self._process.stdout).readline()
        except OSError:
            line = b""
        finally:
            timer.cancel()
        if not line:
            return self._died(late=late.is_set())
        answer = json.loads(line)
        return Done(**answer["done"]) if "done" in answer else Failure(**answer["failed"])

    def terminate(self) -> None:
        """Ask the process to stop what it does and end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def end(self) -> None:
        """End the process, the hard way if it takes too long, and forget it."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        with contextlib.suppress(OSError):
            _stream(self._process.stdin).close()
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _stream(self._process.stdout).close()
        self._stderr.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        stdin = _stream(self._process.stdin)
        stdin.write(json.dumps(message).encode() + b"\n")
        stdin.flush()

    def _kill(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    def _died(self, *, late: bool) -> Failure:
        if late:
            return Failure(
                "resource", f"it took longer than the {self._timeout:.0f} seconds a check may take"
            )
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Failure(
            "resource",
            f"the process that checked it ended with {how}, as one out of memory does{self._last_words()}",
        )

    def _last_words(self) -> str:
        with self._lock:
            if self._ended:
                return ""
            self._stderr.seek(0, 2)
            self._stderr.seek(max(0, self._stderr.tell() - _SHOWN_OF_STDERR))
            words = " ".join(self._stderr.read().decode(errors="replace").split())
        return f": {words}" if words else ""


class Crew:
    """Threads that take tasks and put each through a worker of their own.

    ``take`` returns the next task, or None to stop; ``finished`` is called with each task, what came
    of it and how many seconds it took.
    """

    def __init__(
        self,
        request: WatchRequest,
        take: Callable[[], tuple[Task, Mapping[str, Any]] | None],
        finished: Callable[
            [Task, Done | Failure, float, Callable[[Mapping[str, Any]], Done | Failure]], None
        ],
    ) -> None:
        self._request = request
        self._take = take
        self._finished = finished
        self._workers: dict[int, Worker] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._serve, args=(index,), daemon=True, name=f"gate-watch-{index}")
            for index in range(request.concurrency)
        ]

    def start(self) -> None:
        """Begin to take tasks."""
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether every thread still serves."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self, patience: float) -> bool:
        """Let what is under way finish for ``patience`` seconds, abandon the rest; tell whether all did.

        The tasks must have stopped coming: ``take`` returns None.
        """
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        finished = not any(thread.is_alive() for thread in self._threads)
        with self._lock:
            self._closing = True
            left = list(self._workers.values())
        for worker in left:
            worker.terminate()
        for worker in left:
            worker.end()
        return finished

    def _serve(self, index: int) -> None:
        while (taken := self._take()) is not None:
            task, job = taken
            started = time.monotonic()
            answer = self._do(index, job)
            if not self._closing:
                self._finished(task, answer, time.monotonic() - started, lambda more: self._do(index, more))

    def _do(self, index: int, job: Mapping[str, Any]) -> Done | Failure:
        worker = self._worker(index)
        if worker is None:
            return Failure("unexpected", "the watcher is ending")
        answer = worker.do(job)
        if worker.used_up or (isinstance(answer, Failure) and answer.kind in {"resource", "unexpected"}):
            self._dismiss(index, worker)
        return answer

    def _worker(self, index: int) -> Worker | None:
        with self._lock:
            if self._closing:
                return None
            if index not in self._workers:
                self._workers[index] = Worker(self._request)
            return self._workers[index]

    def _dismiss(self, index: int, worker: Worker) -> None:
        with self._lock:
            self._workers.pop(index, None)
        worker.end()


def _configuration(request: WatchRequest) -> dict[str, Any]:
    """Return what a worker has to know.

    It goes through its input and not on its command line: addresses may hold passwords.
    """
    return {
        "policies": [str(path) for path in request.policies],
        "waivers": None if request.waivers is None else str(request.waivers),
        "options": asdict(request.options),
        "address": asdict(request.address),
        "memory": request.memory or share_of_memory(request.concurrency),
    }


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the worker has no pipes")
    return pipe
