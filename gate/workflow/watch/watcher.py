"""The loop: sweep, hand out work, hear what came of it, wait, sweep again."""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from gate.errors import ExitCode, RegistryError, UsageError
from gate.workflow.watch.agenda import Agenda, Backoff, Untaken
from gate.workflow.watch.crew import Crew
from gate.workflow.watch.files import FilesSchedule
from gate.workflow.watch.governing import Policies
from gate.workflow.watch.interface import Done, Failure, Task
from gate.workflow.watch.logs import event
from gate.workflow.watch.monitor import Monitor
from gate.workflow.watch.plan import may_change, why_check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.registry import Registry
    from gate.registry.sweep import ListedVersion
    from gate.workflow.watch.interface import WatchRequest, WebhookRequest

_FULL_EVERY: Final = 10
"""Every so many sweeps all versions are listed; the others stop at what was seen before."""

_OVERLAP: Final = 5 * 60 * 1000
"""Milliseconds by which a short sweep looks back further: servers' clocks differ."""

_PATIENCE: Final = 10.0
"""Seconds that checks under way get to finish when the watcher is asked to end."""

_TELL_AFTER: Final = 3
"""Failures in a row after which a version is recorded as ``error``."""

_UNREACHED: Final = Backoff(2.0, 30.0)
_FAILED: Final = Backoff(10.0, 600.0)


class Watcher:
    """Keeps one registry's versions judged, until :meth:`stop`."""

    def __init__(self, request: WatchRequest) -> None:
        self.request = request
        self.agenda = Agenda()
        self.monitor = Monitor(self.agenda.state)
        self.troubled = False
        """Whether something could not be done."""

        self._policies = Policies(request.policies)
        self._registry: Registry | None = None
        self._errors = Backoff(request.retry_every, request.retry_most)
        self._crew = Crew(request, self._take, self._finished)
        self._hints: dict[str, bool] = {}
        self._wake = threading.Condition()
        self._newest = 0
        self._sweeps = 0
        self._untaken = Untaken(self._errors)
        self._files = FilesSchedule(request.rehash_every)
        self._last_sweep = -math.inf

    @property
    def up_to_date(self) -> bool:
        """Whether the registry was swept lately."""
        return time.monotonic() - self._last_sweep < 3 * self.request.every + _UNREACHED.most

    @property
    def healthy(self) -> bool:
        """Whether everything that works for the watcher still does."""
        return self._crew.alive

    def hint(self, model: str, *, promoted: bool = False) -> None:
        """Say that there may be something new at ``model``, or a promotion; it is looked at soon."""
        with self._wake:
            self._hints[model] = self._hints.get(model, False) or promoted
            self._wake.notify()

    def run(self) -> None:
        """Watch until stopped; with ``once``, until everything that one sweep found is done.

        Raises
        ------
        gate.errors.PolicyError
            A policy file is not valid at the start.
        gate.errors.UsageError
            MLflow does not know the kind of address; or the signing key or the waivers cannot be used.
        gate.errors.RegistryError
            With ``once``: the registry cannot be reached.
        """
        from gate.workflow.sources import connect  # noqa: PLC0415 - imports mlflow

        self._policies.load()
        _try_settings(self.request)
        self._registry = connect(self.request.address)
        self._crew.start()
        try:
            if self.request.once:
                self._sweep(full=True)
                self.agenda.wait_until_empty()
            else:
                self._loop()
        finally:
            self.agenda.close()
            finished = self._crew.close(_PATIENCE)
            event("ended", abandoned=not finished)

    def _loop(self) -> None:
        failures = 0
        while True:
            error = self._try_sweep()
            failures = 0 if error is None else failures + 1
            pause = self.request.every if error is None else _UNREACHED.pause(failures)
            if error is not None:
                self.monitor.registry_errors.inc()
                event("registry-unreachable", level=logging.ERROR, error=str(error), next_try=pause)
            self._rest(pause)

    def _try_sweep(self) -> RegistryError | None:
        try:
            self._sweep(full=self._sweeps % _FULL_EVERY == 0)
        except RegistryError as error:
            return error
        return None

    def _rest(self, seconds: float) -> None:
        """Wait for the next sweep; hints are followed meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with self._wake:
                self._wake.wait_for(lambda: self._hints, timeout=left)
                hints, self._hints = self._hints, {}
            for model, promoted in hints.items():
                self._follow(model, promoted=promoted)

    def _follow(self, model: str, *, promoted: bool) -> None:
        try:
            self._look_at(model, promoted=promoted)
        except (RegistryError, UsageError) as error:  # the next sweep finds it all the same
            event("hint-lost", level=logging.WARNING, model=model, error=str(error))

    def _sweep(self, *, full: bool) -> None:
        """List versions, the whole registry or what was touched lately, and put the work on the agenda."""
        from gate.registry.sweep import sweep  # noqa: PLC0415 - imports mlflow

        registry = self._opened()
        full = self._policies.refresh() or full
        started = time.monotonic()
        seen: set[tuple[str, int]] = set()
        wanted: set[tuple[str, int]] = set()
        found = 0
        for version in sweep(registry.connection, since=None if full else self._newest - _OVERLAP):
            if not self._watched(version.name):
                continue
            seen.add(version.key)
            self._newest = max(self._newest, version.updated)
            task = self._task(version)
            if task is not None:
                wanted.add(task.key)
                found += self.agenda.put(task)
        if full:
            self.agenda.keep_only(wanted, seen)
            self._files.keep_only(seen)
        self._sweeps += 1
        self._last_sweep = time.monotonic()
        self.monitor.swept()
        event("swept", full=full, versions=len(seen), found=found, seconds=time.monotonic() - started)

    def _look_at(self, model: str, *, promoted: bool) -> None:
        """List one model's versions, as a webhook suggested; hash those that hold an alias."""
        from gate.registry.sweep import sweep  # noqa: PLC0415 - imports mlflow

        if not self._watched(model):
            return
        self._policies.forget(model)
        for version in sweep(self._opened().connection, model=model):
            if promoted:
                self._files.hasten(version.key)
            if (task := self._task(version)) is not None:
                self.agenda.put(task)

    def _watched(self, model: str) -> bool:
        from gate.policy.matching import matches  # noqa: PLC0415 - keeps `gate --help` fast

        return matches(self.request.models, model)

    def _task(self, version: ListedVersion) -> Task | None:
        """Return what has to be done about a version, None for nothing."""
        from gate.registry import MissingError  # noqa: PLC0415 - imports mlflow

        registry = self._opened()
        try:
            governing = self._policies.of(version.name, registry)
        except MissingError:  # deleted while the listing was under way
            return None
        except UsageError as error:
            self.troubled = True
            event("policy-not-understood", level=logging.ERROR, model=version.name, error=str(error))
            return None
        naming, convention = registry.connection.naming, self.request.options.convention
        if not version.ready:
            return None
        reason = why_check(
            version.resolved, governing.policies, naming, convention, enforced=governing.enforced
        )
        if reason is not None:
            asked = governing.digest(convention)
            return self._untaken.let(Task(version, reason, asked, enforced=governing.enforced))
        self._untaken.forget(version.key)
        due = self._files.due(version.key) if may_change(version, governing, naming) else None
        return (
            None if due is None else Task(version, "files", enforced=governing.enforced, deep=due == "deep")
        )

    def _opened(self) -> Registry:
        if self._registry is None:
            raise RegistryError("the watcher is not running")
        return self._registry

    def _take(self) -> tuple[Task, Mapping[str, Any]] | None:
        """Return the next task with the job that a worker does for it."""
        task = self.agenda.take()
        if task is None:
            return None
        return task, {
            "kind": "files" if task.reason == "files" else "check",
            "uri": task.version.uri,
            "enforced": task.enforced,
            "deep": task.deep,
        }

    def _finished(
        self,
        task: Task,
        answer: Done | Failure,
        seconds: float,
        more: Callable[[Mapping[str, Any]], Done | Failure],
    ) -> None:
        if isinstance(answer, Done):
            self._done(task, answer, seconds)
        elif answer.kind == "gone":
            self.agenda.finished(task)
            event("gone", model=task.version.name, version=task.version.version)
        else:
            self._failed(task, answer, more)

    def _done(self, task: Task, done: Done, seconds: float) -> None:
        if done.outcome is None:
            self.agenda.finished(task)
            event("current", _about(task), level=logging.DEBUG)
            return
        self.monitor.checks.labels(done.outcome, task.reason).inc()
        self.monitor.seconds.observe(seconds)
        event(
            "checked",
            _about(task),
            outcome=done.outcome,
            seconds=seconds,
            report=done.report,
            reused=done.reused or None,
        )
        if done.outcome == "error":
            self._retry(task, self._errors)
        else:
            self._untaken.judged(task)
            self.agenda.finished(task)

    def _failed(
        self, task: Task, failure: Failure, more: Callable[[Mapping[str, Any]], Done | Failure]
    ) -> None:
        self.monitor.failures.labels(failure.kind).inc()
        if failure.kind == "resource":  # before it is held back, so that no retry meets the recording
            self._give_up(task, failure, more)
        failures, pause = self._retry(task, self._errors if failure.kind == "resource" else _FAILED)
        event(
            "failed",
            _about(task),
            level=logging.ERROR,
            kind=failure.kind,
            error=failure.message,
            failures=failures,
            next_try=None if self.request.once else pause,
        )
        if task.reason == "files" and failure.kind != "resource":
            return  # what was decided stands until the files are known to differ
        if failure.kind != "resource" and failures == _TELL_AFTER:
            self._give_up(task, failure, more)

    def _retry(self, task: Task, backoff: Backoff) -> tuple[int, float]:
        self.troubled = True
        if not self.request.once:
            return self.agenda.failed(task, backoff)
        self.agenda.finished(task)
        return 1, 0.0

    def _give_up(
        self, task: Task, failure: Failure, more: Callable[[Mapping[str, Any]], Done | Failure]
    ) -> None:
        """Record that the check could not be done; it is tried again all the same."""
        answer = more(
            {
                "kind": "give-up",
                "uri": task.version.uri,
                "enforced": task.enforced,
                "message": failure.message,
            }
        )
        if isinstance(answer, Done):
            self.monitor.checks.labels("error", task.reason).inc()
            event("recorded-error", _about(task), report=answer.report)
        else:
            event("not-recorded", _about(task), level=logging.ERROR, error=answer.message)


def watch(request: WatchRequest, webhook: WebhookRequest | None = None) -> ExitCode:
    """Watch a registry; returns only with ``once``, else until an exception (a signal's) ends it.

    Returns
    -------
    ExitCode
        With ``once``: 0 where everything the sweep found was done, whatever the outcomes; 3 where
        something could not be.

    Raises
    ------
    gate.errors.UsageError
        A policy, an address or the place to listen at cannot be used.
    gate.errors.RegistryError
        With ``once``: the registry cannot be reached.
    """
    from gate.spectra.executors.local import worker_count  # noqa: PLC0415 - keeps `gate --help` fast

    cores = worker_count(request.options.settings())
    jobs = request.options.jobs or max(1, cores // request.concurrency)
    watcher = Watcher(replace(request, options=replace(request.options, jobs=jobs)))
    if webhook is None:
        watcher.run()
    else:
        from gate.workflow.watch.webhook import listening  # noqa: PLC0415 - FastAPI, where it is wanted

        with listening(webhook, watcher):
            watcher.run()
    return ExitCode.FAILED if watcher.troubled else ExitCode.PASSED


def _try_settings(request: WatchRequest) -> None:
    """Read what every check will, so that a mistake in it is told at the start."""
    from gate.policy import load_waivers  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.registry.attestation.keys import load_signing_key  # noqa: PLC0415 - likewise

    key = load_signing_key()
    waivers = load_waivers(request.waivers) if request.waivers else ()
    event("starting", key=key.id if key else None, waivers=len(waivers) or None, every=request.every)


def _about(task: Task) -> dict[str, str | int]:
    return {"model": task.version.name, "version": task.version.version, "reason": task.reason}
