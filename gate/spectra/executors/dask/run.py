"""One run on a cluster: few tasks at a time, largest first, until every layer came back."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from dataclasses import asdict
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from distributed import CancelledError, KilledWorker

from gate.errors import GateError, ResourceError
from gate.spectra.cache.engine import identity
from gate.spectra.cache.key import process_threads
from gate.spectra.cache.tensor import digests_of
from gate.spectra.executors.budget import MemoryBudget, peak_bytes
from gate.spectra.executors.cost import is_trivial, work
from gate.spectra.executors.dask.flight import Flight, by_reference, with_bytes
from gate.spectra.executors.dask.worker import Failed, Measured, Outcome, Unlike, WantsBytes, measure_task
from gate.spectra.executors.local import measure_named, naming
from gate.spectra.interface import LayerResult
from gate.spectra.matrices import unmeasurable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gate.layer import WeightLayer
    from gate.spectra.cache import LayerCache
    from gate.spectra.interface import Settings

PER_THREAD: Final = 2
"""Tasks under way per worker thread: one that runs and one that waits its turn there."""

SENT: Final = 1 << 30
"""Bytes of tensors sent and not yet measured; a larger tensor goes alone."""

_READERS: Final = 4
_ATTEMPTS: Final = 3
_LOOK_SECONDS: Final = 5.0
_ALONE_SECONDS: Final = 60.0
"""How long to go on without any worker."""

_SENDING_SECONDS: Final = 30.0
"""How long to wait, when stopping, for a tensor that is half-way to a worker."""


class Run:
    """Reader threads prepare layers and submit them; results are read on the caller's thread.

    Everything the threads share is guarded by one condition.  They are daemons: on Ctrl-C nobody waits
    for a tensor being read.
    """

    def __init__(
        self,
        client: Any,
        layers: Sequence[WeightLayer],
        settings: Settings,
        cache: LayerCache | None,
        name: str,
    ) -> None:
        self.noticed: list[str] = []
        self._client = client
        self._layers = layers
        self._settings = settings
        self._cache = cache
        self._name = name
        self._engine = asdict(identity())
        self._threads = process_threads()
        self._events: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self._condition = threading.Condition()
        self._order = deque(sorted(range(len(layers)), key=lambda index: (-work(layers[index]), index)))
        self._to_send: deque[Flight] = deque()
        self._flights: dict[int, Flight] = {}
        self._budget = MemoryBudget(layers)
        self._capacity = self._slots = 0
        self._sent = 0
        self._sending = 0
        self._stopped = False
        self._seen = time.monotonic()

    def results(self) -> Iterator[tuple[int, LayerResult]]:
        """Yield each layer's index and result as it comes back; raises as ``Executor.map`` does."""
        if self._cache is not None:
            self._cache.begin()
        self._look()
        for number in range(min(_READERS, os.cpu_count() or 1, len(self._layers))):
            threading.Thread(target=self._prepare, name=f"gate-reader-{number}", daemon=True).start()
        missing = len(self._layers)
        while missing:
            event = self._next()
            if event is None:
                continue
            index, what = event
            result = self._arrived(what)
            if result is not None:
                missing -= 1
                self._release(index)
                yield index, result

    def stop(self) -> None:
        """Begin nothing more, and take back every task that was submitted.

        A tensor that is being sent is waited for: the scheduler would book it to this client after
        the client was gone, and keep it for good.
        """
        self._budget.close()
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
            self._condition.wait_for(lambda: not self._sending, timeout=_SENDING_SECONDS)
            flights = list(self._flights.values())
        futures = [
            future for flight in flights for future in (flight.future, *flight.data) if future is not None
        ]
        if futures and self._client.status == "running":
            with contextlib.suppress(OSError, TimeoutError):  # a scheduler that is gone holds no tasks
                self._client.cancel(futures, force=True)

    # On the caller's thread.

    def _next(self) -> tuple[int, Any] | None:
        """Wait a while for something to happen; look after the cluster in between."""
        if time.monotonic() - self._seen > _LOOK_SECONDS:
            self._look()
        try:
            return self._events.get(timeout=_LOOK_SECONDS)
        except Empty:
            return None

    def _look(self) -> None:
        """Ask how many threads the workers have now, and let that many tasks begin."""
        if self._client.status != "running":
            raise self._lost()
        try:
            capacity = PER_THREAD * sum(self._client.nthreads().values())
        except (OSError, TimeoutError) as error:
            raise self._lost() from error
        now = time.monotonic()
        if capacity:
            self._seen = now
        elif now - self._seen > _ALONE_SECONDS:
            raise ResourceError(
                f"the Dask scheduler at {self._name} has lost all its workers",
                hint="Look at the workers' logs; finished layers are kept where there is a cache.",
            )
        with self._condition:
            self._slots += capacity - self._capacity
            self._capacity = capacity
            self._condition.notify_all()

    def _lost(self) -> ResourceError:
        return ResourceError(
            f"the connection to the Dask scheduler at {self._name} was lost",
            hint="Look at the scheduler's log; finished layers are kept where there is a cache.",
        )

    def _arrived(self, event: Any) -> LayerResult | None:
        """Take in what came back for a layer; None where it is on its way again."""
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, LayerResult):
            return event
        flight, what = event
        outcome = what if isinstance(what, WantsBytes) else self._outcome(flight, what)
        if isinstance(outcome, Measured):
            return self._measured(flight, outcome)
        if isinstance(outcome, Failed):
            raise outcome.error
        if isinstance(outcome, Unlike):
            raise _unlike(self._name, self._engine, outcome.engine)
        self._again(flight, outcome)
        return None

    def _outcome(self, flight: Flight, future: Any) -> Outcome:
        """Return what the task gave; a tensor that was lost with its worker must be sent again."""
        try:
            outcome: Outcome = future.result()
        except CancelledError:
            return WantsBytes("the task was lost with its worker")
        except KilledWorker as error:
            raise ResourceError(
                f"layer {self._layers[flight.index].name}: every worker that measured it died",
                hint="Workers killed for their memory need more of it, or fewer threads each.",
            ) from error
        except ImportError as error:
            raise ResourceError(
                f"a worker of {self._name} cannot import the gate ({error})",
                hint="Install the same mlflow-spectral-gate on the scheduler and on every worker.",
            ) from error
        except GateError:
            raise
        except Exception as error:
            raise ResourceError(
                f"layer {self._layers[flight.index].name}: the task failed on its worker "
                f"({type(error).__name__}: {error})",
                hint="The scheduler, the workers and this machine need the same environment.",
            ) from error
        return outcome

    def _measured(self, flight: Flight, outcome: Measured) -> LayerResult:
        if outcome.differs:
            note = f"workers of another kind ({', '.join(outcome.differs)}): the last digits may differ"
            if note not in self.noticed:
                self.noticed.append(note)
        if self._cache is not None and flight.key is not None and not outcome.differs:
            self._cache.keep(flight.key, self._layers[flight.index], outcome.result)
        return outcome.result

    def _again(self, flight: Flight, outcome: WantsBytes) -> None:
        """Have the layer's bytes sent."""
        if self._client.status != "running":
            raise self._lost()
        flight.attempts += 1
        if flight.attempts > _ATTEMPTS:
            raise ResourceError(
                f"layer {self._layers[flight.index].name}: given up after {_ATTEMPTS} attempts "
                f"({outcome.reason})",
                hint="Look at the workers' logs.",
            )
        with self._condition:
            self._unsend(flight)
            self._to_send.append(flight)
            self._condition.notify_all()

    def _release(self, index: int) -> None:
        with self._condition:
            flight = self._flights.pop(index, None)
            if flight is not None:
                self._unsend(flight)
            self._slots += 1
            self._condition.notify_all()

    def _unsend(self, flight: Flight) -> None:
        """Forget the futures, and with them what the cluster holds for them."""
        self._sent -= flight.sent_bytes
        flight.sent_bytes, flight.data, flight.future = 0, [], None

    # On the reader threads.

    def _prepare(self) -> None:
        while (job := self._take()) is not None:
            index, begin = job
            try:
                result = begin()
            except BaseException as error:  # noqa: BLE001 - raised again where the results are read
                self._events.put((index, error))
            else:
                if result is not None:
                    self._events.put((index, result))

    def _take(self) -> tuple[int, Callable[[], LayerResult | None]] | None:
        """Wait for something to do: bytes to send come before further layers."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._may_send() or self._may_begin())
            if self._stopped:
                return None
            if self._may_send():
                flight = self._to_send.popleft()
                flight.sent_bytes = self._size(flight)
                self._sent += flight.sent_bytes
                return flight.index, lambda: self._send(flight)
            index = self._order.popleft()
            self._slots -= 1
            return index, lambda: self._begin(index)

    def _may_begin(self) -> bool:
        return bool(self._order) and self._slots > 0

    def _may_send(self) -> bool:
        return bool(self._to_send) and (not self._sent or self._sent + self._size(self._to_send[0]) <= SENT)

    def _size(self, flight: Flight) -> int:
        layer = self._layers[flight.index]
        return layer.parameters * (8 if layer.dtype == "float64" else 4)

    def _begin(self, index: int) -> LayerResult | None:
        """Find or measure the layer here, or submit it."""
        layer, settings = self._layers[index], self._settings
        with self._budget.hold(peak_bytes(layer, settings)) as granted:
            if not granted:
                return None
            if is_trivial(layer, settings) or unmeasurable(layer, settings.convention) is not None:
                return measure_named(layer, settings)
            with naming(layer):
                _, digests = digests_of(layer)
        key = None if self._cache is None else self._cache.key(layer, settings, digests)
        if self._cache is not None and key is not None:
            found = self._cache.find(key, layer)
            if found is not None:
                return found
        flight = Flight(index, digests, key)
        task = by_reference(layer, settings, digests, self._threads)
        if task is not None:
            self._submit(flight, task)
            return None
        with self._condition:
            self._flights[index] = flight
            self._to_send.append(flight)
            self._condition.notify_all()
        return None

    def _send(self, flight: Flight) -> None:
        layer = self._layers[flight.index]
        with self._budget.hold(peak_bytes(layer, self._settings)) as granted:
            if granted:
                with naming(layer):
                    task, tensors = with_bytes(layer, self._settings, flight.digests, self._threads)
                try:
                    with self._scattering() as allowed:
                        flight.data = self._client.scatter(tensors, hash=False) if allowed else []
                except (OSError, TimeoutError) as error:
                    self._events.put((flight.index, (flight, WantsBytes(f"not sent: {error}"))))
                else:
                    self._submit(flight, task)

    @contextlib.contextmanager
    def _scattering(self) -> Iterator[bool]:
        """Let :meth:`stop` wait; gives False where it was called already."""
        with self._condition:
            allowed = not self._stopped
            self._sending += 1
        try:
            yield allowed
        finally:
            with self._condition:
                self._sending -= 1
                self._condition.notify_all()

    def _submit(self, flight: Flight, task: bytes) -> None:
        with self._condition:
            if self._stopped:
                return
            self._flights[flight.index] = flight
            future = self._client.submit(
                measure_task,
                self._engine,
                task,
                *flight.data,
                pure=False,
                key=f"gate-layer-{flight.index}-{os.urandom(8).hex()}",
            )
            flight.future = future
            future.add_done_callback(lambda done: self._events.put((flight.index, (flight, done))))


def _unlike(name: str, here: dict[str, str], there: Any) -> ResourceError:
    told = ", ".join(
        f"{field} {there.get(field, '?')[:12]} instead of {here[field][:12]}"
        for field in here
        if there.get(field) != here[field]
    )
    return ResourceError(
        f"a worker of {name} runs other software, so that its figures might differ: {told}",
        hint="Install the same versions of mlflow-spectral-gate, numpy and scipy on every worker.",
    )
