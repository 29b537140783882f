"""Figures for monitoring, in Prometheus' form."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class Monitor:
    """Counts what the watcher does; one to a watcher.

    ``state`` returns how much waits, how much runs, and for how long the oldest has been waiting.
    """

    def __init__(self, state: Callable[[], tuple[int, int, float]]) -> None:
        self.collectors = CollectorRegistry()
        self.checks = Counter(
            "gate_watch_checks",
            "Checks done, by outcome and by why they were.",
            ("outcome", "reason"),
            registry=self.collectors,
        )
        self.failures = Counter(
            "gate_watch_failures",
            "Attempts that could not be carried out, by what kept them from it.",
            ("kind",),
            registry=self.collectors,
        )
        self.seconds = Histogram(
            "gate_watch_check_seconds",
            "Duration of a check, from start to record.",
            buckets=_SECONDS,
            registry=self.collectors,
        )
        self.registry_errors = Counter(
            "gate_watch_registry_errors", "Sweeps that the registry did not answer.", registry=self.collectors
        )
        self.webhooks = Counter(
            "gate_watch_webhooks",
            "Webhook deliveries, by what became of them.",
            ("result",),
            registry=self.collectors,
        )
        self.last_sweep = Gauge(
            "gate_watch_last_sweep_timestamp_seconds",
            "When the registry was last swept without an error.",
            registry=self.collectors,
        )
        for index, (name, meaning) in enumerate(
            (
                ("gate_watch_waiting", "Versions that wait to be looked at."),
                ("gate_watch_running", "Versions that are being looked at."),
                ("gate_watch_oldest_waiting_seconds", "Age of the oldest work that is left to be judged."),
            )
        ):
            Gauge(name, meaning, registry=self.collectors).set_function(partial(_figure, state, index))

    def swept(self) -> None:
        """Note that a sweep went through."""
        self.last_sweep.set(time.time())

    def text(self) -> bytes:
        """Return every figure in the text format."""
        return generate_latest(self.collectors)


def _figure(state: Callable[[], tuple[int, int, float]], index: int) -> float:
    return float(state()[index])
