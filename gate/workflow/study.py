"""From sources to a study: gather the models, measure them, join what is known of their quality."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gate.text import printable
from gate.workflow.measure import MeasureOptions
from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gate.study.interface import Direction, Study, StudySettings
    from gate.workflow.measure import Progress


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """What to study; names as on the command line.

    ``table`` is a CSV with what is known of the models beside the sources themselves.
    """

    sources: tuple[str, ...]
    settings: StudySettings
    group: tuple[str, ...] = ()
    quality: str | None = None
    training_quality: str | None = None
    quality_better: Direction | None = None
    metrics: tuple[str, ...] = ()
    table: Path | None = None
    options: MeasureOptions = field(default_factory=MeasureOptions)
    address: RegistryAddress = field(default_factory=RegistryAddress)


def run_study(
    request: StudyRequest, progress: Progress | None = None, tell: Callable[[str], None] | None = None
) -> Study:
    """Gather, measure and study; writes nothing but the cache.

    A model that cannot be read is named in the result with its reason.  ``tell`` is called with each
    thing that a person should know beside the study.

    Raises
    ------
    gate.errors.UsageError
        A source does not exist, or no model has such a quality, sub-group or metric.
    gate.errors.NothingToMeasureError
        Fewer than three models can be studied.
    gate.errors.RegistryError
        The registry cannot be reached.
    gate.errors.GateError
        No model at all could be read; the first one's error.
    """
    from gate.study import study  # noqa: PLC0415 - brings scipy.stats, which `gate --help` does not need
    from gate.workflow.study_choices import choose_keys, choose_quality, training_counterpart  # noqa: PLC0415
    from gate.workflow.study_gather import gather  # noqa: PLC0415

    gathered = gather(request, progress, tell)
    known = [name for row in gathered.rows for name in row.qualities]
    quality = request.quality or choose_quality(known)
    training = request.training_quality or training_counterpart(quality, known)
    keys = choose_keys(request.group, gathered.rows, quality, request.settings.min_group)
    return study(
        gathered.rows,
        keys,
        quality,
        training_quality=training,
        metrics=tuple(name.removeprefix("model.") for name in request.metrics) or None,
        quality_better=request.quality_better,
        settings=request.settings,
        left_out=gathered.left_out,
        notes=(*_assumed(request, quality, training, keys), *gathered.notes),
        sources=request.sources,
        progress=None if progress is None else lambda done, total: progress("Studying metrics", done, total),
    )


def _assumed(
    request: StudyRequest, quality: str, training: str | None, keys: tuple[str, ...]
) -> tuple[str, ...]:
    """Say what was chosen where the user did not."""
    from gate.study.table import direction  # noqa: PLC0415 - as above

    lower = request.quality_better is None and direction(quality) == "lower"
    said = (
        (request.quality is None, f"Quality, as --quality was not given: {printable(quality)}."),
        (lower, f"A lower {printable(quality)} is taken for better, by its name; --better says otherwise."),
        (not request.group, f"Sub-groups, as --group was not given: {printable(' × '.join(keys))}."),
        (
            training is not None and request.training_quality is None,
            f"Training quality, by its name: {printable(training or '')}.",
        ),
    )
    return tuple(words for holds, words in said if holds)
