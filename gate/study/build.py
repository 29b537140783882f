"""From a table of models to the study of it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final

from gate.errors import NothingToMeasureError, UsageError
from gate.study.advice import advise
from gate.study.correction import holm
from gate.study.correlations import correlate
from gate.study.interface import GroupSize, GroupTrend, MetricStudy, Study, StudySettings
from gate.study.intervals import with_intervals
from gate.study.paradox import simpson_test
from gate.study.table import direction, group_sizes, natural, take_in
from gate.study.training import study_training
from gate.study.trends import FEWEST, average, points, trend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gate.spectra.interface import Metric
    from gate.study.interface import Direction, LeftOut, ModelRow, Nature, StudiedModel, Trend
    from gate.study.trends import Points

DEFAULT_SETTINGS: Final = StudySettings()


def study(
    rows: Sequence[ModelRow],
    group: str | Sequence[str],
    quality: str,
    *,
    training_quality: str | None = None,
    metrics: Sequence[str] | None = None,
    quality_better: Direction | None = None,
    settings: StudySettings = DEFAULT_SETTINGS,
    left_out: Sequence[LeftOut] = (),
    notes: Sequence[str] = (),
    sources: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Find which metrics predict quality: within sub-groups, on average and over all.

    Parameters
    ----------
    rows:
        The models, in any order; the result does not depend on it.
    group:
        Key of ``rows[…].labels`` that makes the sub-groups (``architecture``, ``depth``, ``param:KEY``, ...);
        several keys make their combinations.
    quality, training_quality:
        Keys of ``rows[…].qualities``; both have the same direction.
    metrics:
        Names of ``rows[…].metrics`` to study, by default all in the order of the engine's table.
    quality_better:
        Whether quality is better higher or lower; by default lower where the name says loss, error,
        gap or the like.
    settings:
        Smallest sub-group, seed, numbers of resamples and permutations, confidence and level.
    left_out, notes, sources:
        Copied into the result: what could not even be read, what a reader should know, where it
        came from.
    progress:
        Called with the metrics finished and their total.

    Raises
    ------
    gate.errors.UsageError
        No model has such a label, quality or metric.
    gate.errors.NothingToMeasureError
        Fewer than three models have a quality and a sub-group, or none has a metric.
    """
    keys = (group,) if isinstance(group, str) else tuple(group)
    ordered = sorted(rows, key=lambda row: (natural(row.model), repr(row)))
    models, without = take_in(ordered, keys, quality, training_quality)
    names = _names(models, metrics)
    sizes = group_sizes(models)
    large = [size.group for size in sizes if size.n >= settings.min_group]
    found = []
    for place, name in enumerate(names):
        found.append(_metric(name, models, sizes, settings))
        if progress is not None:
            progress(place + 1, len(names))
    studied = _corrected(found, settings.level)
    training = study_training(training_quality, models, large, settings) if training_quality else None
    result = Study(
        group=" × ".join(keys),
        quality=quality,
        metrics=studied,
        advice=(),
        quality_better=quality_better or direction(quality),
        training=training,
        correlations=correlate(names, models, large, settings.min_group),
        groups=sizes,
        small_groups=tuple(size for size in sizes if size.n < settings.min_group),
        models=models,
        left_out=(*left_out, *without),
        notes=tuple(notes),
        sources=tuple(sources),
        settings=settings,
    )
    judgements, advice = advise(result)
    return replace(result, judgements=judgements, advice=advice)


def _names(models: Sequence[StudiedModel], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the metrics to study: those wanted, else all that any model has, the engine's first."""
    present = dict.fromkeys(
        name for model in models for name, value in model.metrics.items() if value is not None
    )
    if wanted is not None:
        missing = [name for name in wanted if name not in present]
        if missing:
            raise UsageError(
                f"no model has a value of the metric {missing[0]!r}", hint=f"There are: {', '.join(present)}"
            )
        return tuple(dict.fromkeys(wanted))
    if not present:
        raise NothingToMeasureError("no model has a value of any metric", hint="Is this the right table?")
    known = [name for name in engine_metrics() if name in present]
    return (*known, *sorted(set(present) - set(known)))


def engine_metrics() -> dict[str, Metric]:
    """Return the engine's model-level metrics by field, as the analysis names them."""
    from gate.spectra.metrics import METRICS  # noqa: PLC0415 - the table is not needed to import the room

    return {metric.field: metric for metric in METRICS if metric.level == "model"}


def _metric(
    name: str, models: Sequence[StudiedModel], sizes: Sequence[GroupSize], settings: StudySettings
) -> MetricStudy:
    known = [(model.group, value, model.quality)
             for model in models if (value := model.metrics.get(name)) is not None]  # fmt: skip
    everything = points([(x, y) for _, x, y in known])
    by_group = {
        size.group: points([(x, y) for group, x, y in known if group == size.group]) for size in sizes
    }
    smallest = max(settings.min_group, FEWEST)
    large = {group: data for group, data in by_group.items() if len(data) >= smallest}
    sampling = (settings.seed, settings.resamples, settings.confidence)
    sets = list(large.values())
    bare = [trend(data) for data in sets]
    trends, mean = with_intervals(bare, sets, average(bare, sets), sampling)
    (pooled,), _ = with_intervals([trend(everything)], [everything], None, sampling)
    kind, test = simpson_test(sets, settings)
    table = engine_metrics().get(name)
    return MetricStudy(
        metric=name,
        shape_or_scale=_nature(table),
        simpson=kind,
        pooled=pooled,
        groups=tuple(_named(group, each) for group, each in zip(large, trends, strict=True)),
        average=mean or average((), ()),
        between=_between(by_group.values()),
        simpson_test=test,
        small_groups=tuple(
            GroupSize(group, len(data)) for group, data in by_group.items() if group not in large
        ),
        title=table.title if table else "",
        id=table.id if table else None,
        better=table.better if table else None,
    )


def _nature(metric: Metric | None) -> Nature:
    return "unknown" if metric is None or metric.nature == "label" else metric.nature


def _between(sets: Iterable[Points]) -> Trend:
    """Return the trend over the means of sub-groups, each counting once however many models it has."""
    means = [(float(data.x.mean()), float(data.y.mean())) for data in sets if len(data)]
    return trend(points(means))


def _named(group: str, found: Trend) -> GroupTrend:
    shared = {member.name: getattr(found, member.name) for member in fields(found)}
    return GroupTrend(group=group, **shared)


def _corrected(found: Sequence[MetricStudy], level: float) -> tuple[MetricStudy, ...]:
    """Correct the tests of Simpson's paradox for the number of metrics tried."""
    adjusted = holm([each.simpson_test.p_value for each in found])
    return tuple(
        replace(
            each,
            simpson_test=replace(
                each.simpson_test,
                p_value_holm=p_value,
                significant=p_value is not None and p_value < level and each.simpson in {"strict", "weak"},
            ),
        )
        for each, p_value in zip(found, adjusted, strict=True)
    )
