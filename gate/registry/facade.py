"""The one object that the other rooms hold: a registry, opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.registry.baseline import DEFAULT_BASELINE, BaselineChoice, choose_baseline
from gate.registry.clients import Connection, Naming, connect
from gate.registry.decision import Decision, current_decision
from gate.registry.failures import public_uri, registry_errors
from gate.registry.history import ModelRecord, VersionRecord, earlier, every_model, history, model_record
from gate.registry.promote import set_alias
from gate.registry.pull import LocalModel, open_model
from gate.registry.record import RecordInput, RecordReceipt, record
from gate.registry.reports import read_report
from gate.registry.resolve import ResolvedSource, resolve, run_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from typing_extensions import Self

    from gate.registry.attestation.interface import SigningKey
    from gate.registry.pull import Progress
    from gate.registry.source import Source


@dataclass(frozen=True, slots=True)
class Registry:
    """What can be asked of a registry; each method's errors are those of the function it calls."""

    connection: Connection

    @classmethod
    def connect(
        cls, tracking_uri: str | None = None, registry_uri: str | None = None, naming: Naming | None = None
    ) -> Self:
        """Open the registry at the given addresses, else at those of MLflow's own variables."""
        return cls(connect(tracking_uri, registry_uri, naming))

    def describe(self) -> str:
        """Ask the registry for one thing, and say where it is and that it answers."""
        where = public_uri(self.connection.registry_uri)
        with registry_errors(f"use the registry at {where}", self.connection.registry_uri):
            self.connection.client.search_registered_models(max_results=1)
        return f"{where} answers"

    def resolve(self, source: Source | str) -> ResolvedSource:
        """Look a source up, see :func:`gate.registry.resolve.resolve`."""
        return resolve(source, self.connection)

    def open(
        self, resolved: ResolvedSource, progress: Progress | None = None
    ) -> AbstractContextManager[LocalModel]:
        """Bring the model's files here, see :func:`gate.registry.pull.open_model`."""
        return open_model(resolved, self.connection, progress)

    def baseline(
        self, for_version: ResolvedSource, specs: Sequence[str] = DEFAULT_BASELINE
    ) -> BaselineChoice:
        """Find what to compare with, see :func:`gate.registry.baseline.choose_baseline`."""
        return choose_baseline(specs, for_version, self.connection)

    def run_metrics(self, resolved: ResolvedSource) -> Mapping[str, float]:
        """Return the metrics of the run that made the model."""
        return run_metrics(resolved, self.connection)

    def decision(
        self, version: ResolvedSource, *, digest: str | None = None, policy_digest: str | None = None
    ) -> Decision | None:
        """Return the decision that holds, see :func:`gate.registry.decision.current_decision`."""
        return current_decision(version, self.connection.naming, digest=digest, policy_digest=policy_digest)

    def record(
        self, version: ResolvedSource, judged: RecordInput, key: SigningKey | None = None
    ) -> RecordReceipt:
        """Record a decision, see :func:`gate.registry.record.record`."""
        return record(self.connection, version, judged, key)

    def read_report(self, run_id: str, file: str) -> bytes | None:
        """Return a file of a report run for showing, see :func:`gate.registry.reports.read_report`."""
        return read_report(self.connection, run_id, file)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version, see :func:`gate.registry.promote.set_alias`."""
        set_alias(self.connection, name, alias, version)

    def history(self, name: str) -> tuple[VersionRecord, ...]:
        """Return every version and its decision, see :func:`gate.registry.history.history`."""
        return history(self.connection, name)

    def earlier(self, version: ResolvedSource, most: int) -> tuple[VersionRecord, ...]:
        """Return the newest versions before one, see :func:`gate.registry.history.earlier`."""
        return earlier(self.connection, version, most)

    def models(self, name: str | None = None) -> tuple[ModelRecord, ...]:
        """Return one model's history, or every model's, see :mod:`gate.registry.history`."""
        return every_model(self.connection) if name is None else (model_record(self.connection, name),)
