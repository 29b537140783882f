"""Test quality against training quality: which sub-groups are overtrained (arXiv:2106.00734, figure 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.study.correction import holm
from gate.study.interface import TrainingGroup, TrainingStudy
from gate.study.intervals import with_intervals
from gate.study.trends import FEWEST, average, points, trend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.study.interface import StudiedModel, StudySettings, Trend


def study_training(
    name: str, models: Sequence[StudiedModel], groups: Sequence[str], settings: StudySettings
) -> TrainingStudy:
    """Return the trend of test quality over training quality, per sub-group of at least the smallest size.

    Both have the same direction, so a falling line means: better training, worse test.
    """
    pairs = [(model.group, model.training_quality, model.quality) for model in models]
    sets = [points([(x, y) for held, x, y in pairs if held == group and x is not None]) for group in groups]
    kept = [
        (group, data)
        for group, data in zip(groups, sets, strict=True)
        if len(data) >= max(settings.min_group, FEWEST)
    ]
    sampling = (settings.seed, settings.resamples, settings.confidence)
    trends, mean = with_intervals(
        [trend(data) for _, data in kept],
        [data for _, data in kept],
        average([trend(data) for _, data in kept], [data for _, data in kept]),
        sampling,
    )
    everything = points([(x, y) for _, x, y in pairs if x is not None])
    (pooled,), _ = with_intervals([trend(everything)], [everything], None, sampling)
    rows = _rows([group for group, _ in kept], trends, settings.level)
    return TrainingStudy(
        name,
        pooled,
        rows,
        mean or average((), ()),
        tuple(row.group for row in rows if row.overtrained == "yes"),
        tuple(row.group for row in rows if row.overtrained == "suspected"),
    )


def _rows(groups: Sequence[str], trends: Sequence[Trend], level: float) -> tuple[TrainingGroup, ...]:
    corrected = holm([found.p_value for found in trends])
    return tuple(
        TrainingGroup(
            group=group,
            n=found.n,
            r2=found.r2,
            slope=found.slope,
            kendall_tau=found.kendall_tau,
            p_value=found.p_value,
            p_value_holm=p_value,
            intercept=found.intercept,
            overtrained=("yes" if p_value is not None and p_value < level else "suspected")
            if (found.slope or 0) < 0 and (found.kendall_tau or 0) < 0
            else "no",
        )
        for group, found, p_value in zip(groups, trends, corrected, strict=True)
    )
