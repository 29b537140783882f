"""What ``gate history`` does: collect what the registry's tags say of every version."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from gate.policy.interface import HistoryPoint
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.registry import ModelRecord, Registry, VersionRecord
    from gate.report.history.interface import History, ModelHistory, VersionRow
    from gate.workflow.sources import RegistryAddress

EARLIER: Final = 50
"""Most earlier versions a report shows."""


def history_points(records: Iterable[VersionRecord]) -> tuple[HistoryPoint, ...]:
    """Return what a verdict keeps of earlier versions."""
    return tuple(
        HistoryPoint(record.version, None)
        if (decision := record.decision) is None
        else HistoryPoint(
            version=record.version,
            outcome=decision.outcome,
            alpha=decision.alpha,
            alpha_weighted=decision.alpha_weighted,
            checked_at=printable(decision.checked_at),
        )
        for record in records
    )


def registry_history(name: str | None, address: RegistryAddress) -> History:
    """Return the history of one registered model, or of all of them where ``name`` is None.

    Raises
    ------
    gate.errors.UsageError
        There is no such model, or the name is none.
    gate.errors.RegistryError
        The registry or the tracking server cannot be reached.
    """
    from gate.registry.failures import public_uri  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.report.history.interface import History  # noqa: PLC0415
    from gate.workflow.sources import connect  # noqa: PLC0415

    registry = connect(address)
    models = tuple(_model(record, registry) for record in registry.models(name))
    return History(
        registry=public_uri(registry.connection.registry_uri), models=models, everything=name is None
    )


def _model(record: ModelRecord, registry: Registry) -> ModelHistory:
    from gate.report.history.interface import ModelHistory  # noqa: PLC0415 - as above

    return ModelHistory(record.name, tuple(_row(version, record, registry) for version in record.versions))


def _row(version: VersionRecord, record: ModelRecord, registry: Registry) -> VersionRow:
    from gate.report.history.interface import VersionRow  # noqa: PLC0415 - as above
    from gate.workflow.overrides import overrides_in_force  # noqa: PLC0415 - as above

    created = datetime.fromtimestamp(version.created / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    overrides = overrides_in_force(version.tagged, registry.connection.naming) if version.tagged else ()
    row = VersionRow(
        version.version, created, version.status, version.aliases, torn=version.torn, overrides=overrides
    )
    if version.decision is None:
        return row
    decision = version.decision
    return VersionRow(
        version=row.version,
        created=row.created,
        status=row.status,
        aliases=row.aliases,
        outcome=decision.outcome,
        policy=decision.policy,
        alpha=decision.alpha,
        alpha_weighted=decision.alpha_weighted,
        checked_at=decision.checked_at,
        digest=decision.digest,
        report=decision.report,
        link=record.report(version, registry.connection),
        overrides=overrides,
    )
