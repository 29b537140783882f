"""What ``gate calibrate`` does: measure a history once, then propose limits by it or replay policies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import ModelError, NothingToMeasureError, UsageError
from gate.text import printable
from gate.workflow.measure import MeasureOptions
from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.policy.interface import Baseline
    from gate.policy.rules import Policy
    from gate.spectra.executors import Executor
    from gate.spectra.interface import Settings
    from gate.study.calibrate.interface import Backtest, Calibration, GoodChoice, PastVersion
    from gate.study.calibrate.replay import Elsewhere
    from gate.study.calibrate.truth import Judged, QualityRule, Selector
    from gate.study.columns import Table
    from gate.workflow.calibrate_history import History
    from gate.workflow.measure import Progress


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Which history, and what is known of it.

    Attributes
    ----------
    sources:
        ``models:/NAME``, ``experiment:NAME``, a folder of model files; each is a series of its own.
    quality:
        What makes a version bad, None where only rollbacks do.
    good:
        Which versions are the good ones.
    promoted, rolled_back:
        What tells such versions by aliases, stages and tags.
    known:
        A table of what is known beside the registry: quality and fate.
    last:
        Only so many newest versions of each series.
    reuse:
        Take analyses that were recorded with a decision where they are proved and suffice.
    """

    sources: tuple[str, ...]
    quality: QualityRule | None = None
    good: GoodChoice = "auto"
    promoted: tuple[Selector, ...] = ()
    rolled_back: tuple[Selector, ...] = ()
    known: Table | None = None
    last: int | None = None
    reuse: bool = True
    options: MeasureOptions = field(default_factory=MeasureOptions)
    address: RegistryAddress = field(default_factory=RegistryAddress)


@dataclass(frozen=True, slots=True)
class Choices:
    """The words of a command line that say what is known of a history; see :func:`history_request`."""

    quality: str | None = None
    better: str | None = None
    bad_beyond: float | None = None
    good: str = "auto"
    promoted: tuple[str, ...] = ()
    rolled_back: tuple[str, ...] = ()
    table: Path | None = None


def history_request(
    sources: Sequence[str],
    choices: Choices,
    *,
    last: int | None = None,
    reuse: bool = True,
    options: MeasureOptions | None = None,
    address: RegistryAddress | None = None,
) -> HistoryRequest:
    """Return the request that these words make.

    Raises
    ------
    gate.errors.UsageError
        A word is none of the known ones, or the table cannot be read.
    """
    from gate.study.calibrate.truth import PROMOTED, ROLLED_BACK, Selector, good_choice  # noqa: PLC0415
    from gate.workflow.study_candidates import read_table  # noqa: PLC0415 - keeps `gate --help` fast

    return HistoryRequest(
        sources=tuple(sources),
        quality=_quality(choices),
        good=good_choice(choices.good),
        promoted=tuple(map(Selector.parse, choices.promoted or PROMOTED)),
        rolled_back=tuple(map(Selector.parse, choices.rolled_back or ROLLED_BACK)),
        known=read_table(choices.table) if choices.table else None,
        last=last,
        reuse=reuse,
        options=options or MeasureOptions(),
        address=address or RegistryAddress(),
    )


def _quality(choices: Choices) -> QualityRule | None:
    from gate.study.calibrate.truth import QualityRule  # noqa: PLC0415 - as above
    from gate.study.table import direction  # noqa: PLC0415
    from gate.workflow.study_choices import quality_direction  # noqa: PLC0415

    better = quality_direction(choices.better)
    if choices.quality is None:
        if choices.bad_beyond is not None or better is not None:
            raise UsageError(
                "a line between good and bad without a quality", hint="Name it with --quality METRIC."
            )
        return None
    metric = choices.quality.removeprefix("run.metrics.")
    return QualityRule(metric, (better or direction(metric)) == "lower", choices.bad_beyond)


def run_calibration(
    request: HistoryRequest,
    policy: Path | None = None,
    target: float = 0.05,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> Calibration:
    """Measure a history and propose limits by it; writes nothing but the cache.

    ``policy`` is the base, the packaged default where None; ``target`` the largest expected share of
    good versions that the proposal may refuse.  ``tell`` is called with each thing that a person
    should know beside the result.

    Raises
    ------
    gate.errors.UsageError
        The target is no share, the policy is not valid, or as ``collect`` says.
    gate.errors.GateError
        As :func:`gate.workflow.calibrate_history.collect`.
    """
    from gate.study.calibrate import calibrate  # noqa: PLC0415 - keeps `gate --help` fast

    if not 0 < target < 1:
        raise UsageError(
            f"{target:g} is no share of refusals", hint="Write a number between 0 and 1, e.g. 0.05."
        )
    (base,) = _policies((policy or Path("default"),))
    past = _past(request, (base,), progress, tell)
    return calibrate(
        base,
        past.history.versions,
        past.judged,
        target,
        source=request.sources,
        elsewhere=past.elsewhere,
        convention=request.options.convention,
        notes=past.notes,
    )


def run_backtest(
    request: HistoryRequest,
    policies: Sequence[Path],
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> Backtest:
    """Measure a history and replay policies over it; writes nothing but the cache.

    Raises
    ------
    gate.errors.NothingToMeasureError
        No policy governs any of the versions.
    gate.errors.GateError
        As :func:`run_calibration`.
    """
    from gate.policy import governs  # noqa: PLC0415 - as above
    from gate.study.calibrate import backtest  # noqa: PLC0415

    loaded = _policies(policies)
    past = _past(request, loaded, progress, tell)
    versions = past.history.versions
    applying = [each for each in loaded if any(governs(each, model=one.registered) for one in versions)]
    if not applying:
        raise NothingToMeasureError(
            f"none of the {len(loaded)} policies governs any of these versions",
            hint="Look at `match: {models: [...]}` in the policies.",
        )
    idle = [f"{each.name} governs none of these versions" for each in loaded if each not in applying]
    return backtest(
        applying,
        versions,
        past.judged,
        source=request.sources,
        elsewhere=past.elsewhere,
        convention=request.options.convention,
        notes=(*past.notes, *idle),
    )


def _policies(files: Sequence[Path]) -> tuple[Policy, ...]:
    from gate.policy import load_policies, policy_path  # noqa: PLC0415 - pydantic and YAML

    return load_policies([policy_path(file) for file in files])


@dataclass(frozen=True, slots=True)
class _Past:
    """A history measured and sorted, and how to look up what is not in it."""

    history: History
    judged: Judged
    elsewhere: Elsewhere
    notes: tuple[str, ...]


def _past(
    request: HistoryRequest,
    policies: Sequence[Policy],
    progress: Progress | None,
    tell: Callable[[str], None] | None,
) -> _Past:
    from gate.policy import needed_groups  # noqa: PLC0415 - as above
    from gate.study.calibrate import good_history  # noqa: PLC0415
    from gate.workflow.calibrate_history import collect  # noqa: PLC0415

    settings = request.options.settings(needed_groups(policies))
    executor = request.options.make_executor()
    history = collect(request, settings, executor, progress)
    if tell is not None:
        for note in executor.notes:
            tell(note)
    elsewhere = _Elsewhere(request, history, settings, executor)
    judged = good_history(history.versions, request.good, request.quality)
    return _Past(history, judged, elsewhere, (*history.notes, *_order(request)))


def _order(request: HistoryRequest) -> tuple[str, ...]:
    """Say which order was taken for time where nothing tells it."""
    from gate.workflow.calibrate_history import registered_name  # noqa: PLC0415 - as above

    folders = [
        source
        for source in request.sources
        if registered_name(source) is None and not source.lower().startswith("experiment:")
    ]
    return tuple(
        f"{printable(folder)}: the order of names is taken for the order of time" for folder in folders
    )


class _Elsewhere:
    """Finds and measures baselines that are no versions of the history, each once."""

    def __init__(
        self, request: HistoryRequest, history: History, settings: Settings, executor: Executor
    ) -> None:
        self._request = request
        self._history = history
        self._settings = settings
        self._executor = executor
        self._found: dict[str, tuple[Baseline, int | None]] = {}

    def __call__(self, spec: str, version: PastVersion) -> Baseline:
        from gate.policy.interface import Baseline  # noqa: PLC0415 - as above

        if spec not in self._found:
            self._found[spec] = self._look_up(spec)
        baseline, created = self._found[spec]
        if baseline.uri == version.uri:
            return Baseline(spec, None, None, "is the version being checked")
        if created is not None and version.created is not None and created > version.created:
            return Baseline(spec, baseline.uri, None, "was registered later")
        return baseline

    def _look_up(self, spec: str) -> tuple[Baseline, int | None]:
        """Return a baseline as it is today, and when it was made."""
        from gate.policy.interface import Baseline  # noqa: PLC0415 - as above
        from gate.registry.failures import MissingError  # noqa: PLC0415
        from gate.workflow.measure import measure  # noqa: PLC0415
        from gate.workflow.sources import locate  # noqa: PLC0415

        try:
            located = locate(spec, self._request.address)
        except MissingError as error:
            return Baseline(spec, None, None, f"there is none ({error.message})"), None
        uri, created = located.resolved.uri, located.resolved.creation_time
        known = next((one for one in self._history.versions if one.uri == uri), None)
        try:
            analysis = known.analysis if known is not None else None
            analysis = analysis or measure(located, self._settings, None, self._executor)
        except (ModelError, NothingToMeasureError) as error:
            return Baseline(spec, uri, None, f"it cannot be measured: {error}"), created
        metrics = located.registry.run_metrics(located.resolved) if located.registry else {}
        why = "as it is today" if "@" in spec else f"is {printable(uri)}"
        return Baseline(spec, uri, analysis, why, metrics), created
