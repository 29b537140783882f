"""The trend run: one MLflow run per model whose metrics have the model version as step.

MLflow's own charts then draw the line.  MLflow has no unique key for runs, so two first checks at
the same moment may both create one: whoever sees two keeps the older (by start time, then id) and
removes its own.  Nobody removes a run that somebody else may be writing to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from gate.registry.failures import registry_errors
from gate.registry.reports import KIND, log_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities import Run

    from gate.registry.clients import Connection

TREND: Final = "trend"
TrendChange = Literal["logged", "updated", "unchanged"]


def log_trend(
    connection: Connection, experiment_id: str, version: int, metrics: Mapping[str, float], timestamp: int
) -> TrendChange:
    """Log finite model metrics of ``version`` as one step of the model's trend line.

    A point that is there already with the same value is not written again, so checking a version
    twice leaves the chart as it is (``unchanged``).  Where the value differs, because the
    convention or the files did, MLflow cannot take the old point back: the new one is written at
    the same step with a later timestamp, which is the one that MLflow counts (``updated``).

    Raises
    ------
    gate.errors.RegistryError
        The server cannot be reached or refuses.
    """
    with registry_errors("write the trend run", connection.tracking_uri):
        run_id = _trend_run(connection, experiment_id)
        present = {key: _point_at(connection, run_id, key, version) for key in metrics}
        changed = {key: value for key, value in metrics.items() if _value(present[key]) != value}
        if not changed:
            return "unchanged"
        replaced = [point[0] for key in changed if (point := present[key]) is not None]
        later = max([timestamp, *(moment + 1 for moment in replaced)])  # clocks differ and may stand still
        log_values(connection, run_id, changed, timestamp=later, step=version)
    return "updated" if replaced else "logged"


def _trend_run(connection: Connection, experiment_id: str) -> str:
    active, deleted = _find(connection, experiment_id)
    client = connection.client
    if active:
        return _oldest(active)
    if deleted:
        run_id = _oldest(deleted)
        client.restore_run(run_id)
        return run_id
    tags = {connection.naming.tag(KIND): TREND}
    created = str(client.create_run(experiment_id, run_name="trend over versions", tags=tags).info.run_id)
    client.set_terminated(created, "FINISHED")
    kept = _oldest(_find(connection, experiment_id)[0])
    if kept != created:
        client.delete_run(created)
    return kept


def _find(connection: Connection, experiment_id: str) -> tuple[list[Run], list[Run]]:
    """Return the trend runs that are there and those that somebody deleted."""
    from mlflow.entities import ViewType  # noqa: PLC0415 - takes seconds to import

    found = connection.client.search_runs(
        [experiment_id],
        filter_string=f"tags.`{connection.naming.tag(KIND)}` = '{TREND}'",
        run_view_type=ViewType.ALL,
    )
    active = [run for run in found if run.info.lifecycle_stage == "active"]
    return active, [run for run in found if run.info.lifecycle_stage != "active"]


def _oldest(runs: list[Run]) -> str:
    return str(min(runs, key=lambda run: (run.info.start_time, run.info.run_id)).info.run_id)


def _value(point: tuple[int, float] | None) -> float | None:
    return None if point is None else point[1]


def _point_at(connection: Connection, run_id: str, key: str, step: int) -> tuple[int, float] | None:
    """Return (timestamp, value) of the point that counts at ``step``: the latest one."""
    history = connection.client.get_metric_history(run_id, key)
    return max(
        ((int(point.timestamp), float(point.value)) for point in history if point.step == step), default=None
    )
