"""The table of a study: its models measured and joined with what is known of them, or a CSV of figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, NothingToMeasureError, RegistryError, UsageError
from gate.registry.source import PathSource, parse_source
from gate.study.build import engine_metrics
from gate.study.columns import roles, rows_of
from gate.study.interface import LeftOut, ModelRow
from gate.study.table import check_name
from gate.text import printable
from gate.workflow.measure import measure
from gate.workflow.sources import connect, locate
from gate.workflow.study_candidates import candidates, is_table, read_table, table_beside
from gate.workflow.study_choices import GROUPS, choose_quality, listed, training_counterpart, whole_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gate.analysis.interface import Analysis
    from gate.registry.collect import Candidate
    from gate.spectra.executors import Executor
    from gate.spectra.interface import Settings
    from gate.study.columns import Table
    from gate.workflow.measure import Progress
    from gate.workflow.study import StudyRequest

_MEASURED: Final = ("architecture", "depth")
"""Labels that measuring gives a model."""

_LONGEST_NUMBER: Final = 40
_NAMED: Final = 6


@dataclass(frozen=True, slots=True)
class Gathered:
    """A table of models before the study of it."""

    rows: tuple[ModelRow, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def gather(
    request: StudyRequest, progress: Progress | None = None, tell: Callable[[str], None] | None = None
) -> Gathered:
    """Return every model of the sources, measured, with what is known of it.

    Raises
    ------
    gate.errors.UsageError
        A source does not exist, a table is none, or sources of figures and of models are mixed.
    gate.errors.RegistryError
        The registry cannot be reached.
    gate.errors.GateError
        No model could be read at all; the first one's error.
    """
    tables = [source for source in request.sources if is_table(source)]
    if tables and len(tables) < len(request.sources):
        raise UsageError(
            f"{printable(tables[0])} holds figures, the other sources hold models",
            hint="A table that goes with models is passed by --table FILE.csv.",
        )
    if tables:
        return _figures(request, tables)
    found = [each for source in request.sources for each in candidates(source, request)]
    table = read_table(request.table) if request.table else table_beside(request)
    known, left_out = _joined(found, table)
    worth, without = _worth_measuring(known, left_out, request)
    rows, failed, notes = _measure_all(worth, request, progress, tell)
    return Gathered(rows, (*left_out, *without, *failed), notes)


def _figures(request: StudyRequest, files: Sequence[str]) -> Gathered:
    """Return the rows of tables of figures that were measured before."""
    if request.table is not None:
        raise UsageError("--table goes with models; these sources are tables already")
    parts = [_figures_of(request, read_table(Path(file))) for file in files]
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    return Gathered(tuple(row for part in parts for row in part.rows), notes=tuple(notes))


def _figures_of(request: StudyRequest, table: Table) -> Gathered:
    numeric = {name: values for name in table.columns if (values := table.numbers(name)) is not None}
    quality = request.quality or choose_quality(set(numeric) - set(request.group) - set(engine_metrics()))
    training = request.training_quality or training_counterpart(quality, numeric)
    taken = [name for name in (*request.group, *GROUPS, quality, training) if name]
    if request.metrics:
        return Gathered(rows_of(table, _wanted(request.metrics, numeric), numeric))
    chosen = roles(table, numeric, taken)
    return Gathered(rows_of(table, chosen.metrics, numeric), notes=chosen.notes)


def _wanted(metrics: Sequence[str], numeric: Mapping[str, object]) -> tuple[str, ...]:
    """Return the columns of the metrics asked for, which may leave out ``model.`` or have it."""
    forms = {name: (name, f"model.{name}", name.removeprefix("model.")) for name in metrics}
    found = {name: next((form for form in tried if form in numeric), None) for name, tried in forms.items()}
    for name, column in found.items():
        if column is None:
            raise UsageError(
                f"there is no column of numbers called {printable(name)!r}",
                hint=f"There are: {listed(list(numeric))}",
            )
    return tuple(column for column in found.values() if column is not None)


@dataclass(frozen=True, slots=True)
class _Known:
    """A model to measure, with what is known of it."""

    candidate: Candidate
    qualities: Mapping[str, float | None]
    labels: Mapping[str, str]


def _joined(
    candidates: Sequence[Candidate], table: Table | None
) -> tuple[tuple[_Known, ...], tuple[LeftOut, ...]]:
    """Join the candidates with the rows of a table, and name what has no partner on either side."""
    rows = {} if table is None else dict(zip(table.names(), _rows(table), strict=True))
    known, left_out, used = [], [], set()
    for candidate in candidates:
        name = next((name for name in candidate.names if name in rows), None)
        qualities, labels = _of_registry(candidate)
        if candidate.reason:
            left_out.append(LeftOut(candidate.model, candidate.reason))
        elif table is not None and name is None:
            left_out.append(LeftOut(candidate.model, f"no row of {printable(table.file)} is about it"))
        else:
            used.add(name)
            more = rows[name] if name is not None else ({}, {})
            known.append(_Known(candidate, {**qualities, **more[0]}, {**labels, **more[1]}))
    left_out += [LeftOut(name, "there is no such model") for name in rows if name not in used]
    return tuple(known), tuple(left_out)


def _worth_measuring(
    known: Sequence[_Known], left_out: Sequence[LeftOut], request: StudyRequest
) -> tuple[tuple[_Known, ...], tuple[LeftOut, ...]]:
    """Return the models with a quality, and the others: nothing is measured for a name that was mistyped.

    Raises
    ------
    gate.errors.UsageError
        No model has that quality, or labels for those sub-groups.
    gate.errors.NothingToMeasureError
        There is no model at all.
    """
    if not known:
        first = f"; the first: {left_out[0].reason}" if left_out else ""
        raise NothingToMeasureError(f"there is no model to study among {len(left_out)}{first}")
    quality = request.quality or choose_quality(name for each in known for name in each.qualities)
    for name in filter(None, (quality, request.training_quality)):
        check_name("quality", "--quality", name, [each.qualities for each in known])
    labels = [{**dict.fromkeys(_MEASURED, ""), **each.labels} for each in known]
    names = {name for table in labels for name in table}
    for key in request.group:
        check_name("sub-group", "--group", whole_key(key, names), labels)
    worth = tuple(each for each in known if each.qualities.get(quality) is not None)
    without = [each.candidate.model for each in known if each.qualities.get(quality) is None]
    return worth, tuple(LeftOut(model, f"it has no {printable(quality)}") for model in without)


def _rows(table: Table) -> Iterator[tuple[dict[str, float | None], dict[str, str]]]:
    numeric = {name: values for name in table.columns if (values := table.numbers(name)) is not None}
    for place, labels in enumerate(table.labels()):
        yield {name: values[place] for name, values in numeric.items()}, labels


def _of_registry(candidate: Candidate) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return run metrics and tags that are numbers as qualities, parameters and tags as labels."""
    numbers = {f"tag:{key}": value for key, text in candidate.tags.items()
               if (value := _number(text)) is not None}  # fmt: skip
    labels = {f"tag:{key}": value for key, value in candidate.tags.items() if value}
    labels |= {f"param:{key}": value for key, value in candidate.params.items() if value}
    return {**numbers, **candidate.metrics}, labels


def _number(text: str) -> float | None:
    try:
        value = float(text) if len(text) <= _LONGEST_NUMBER else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _measure_all(
    known: Sequence[_Known],
    request: StudyRequest,
    progress: Progress | None,
    tell: Callable[[str], None] | None,
) -> tuple[tuple[ModelRow, ...], tuple[LeftOut, ...], tuple[str, ...]]:
    """Measure every model; the reason of each one that cannot be, and a note on equal ones.

    Raises
    ------
    gate.errors.GateError
        None could be measured: the first one's error.
    """
    settings, executor = request.options.settings(), request.options.make_executor()
    rows, failed, errors = [], [], []
    summaries: dict[object, list[str]] = {}
    for place, each in enumerate(known):
        if progress is not None:
            progress("Measuring models", place, len(known))
        try:
            analysis = _measured(each.candidate, request, settings, executor, progress)
        except GateError as error:
            _stop_if_unreachable(error, each.candidate, request)
            failed.append(LeftOut(each.candidate.model, error.message))
            errors.append(error)
            continue
        rows.append(_row(each, analysis))
        same = (analysis.architecture, *rows[-1].metrics.values())
        summaries.setdefault(same, []).append(each.candidate.model)
    if progress is not None:
        progress("Measuring models", len(known), len(known))
    if tell is not None:
        for note in executor.notes:
            tell(note)
    if errors and not rows:
        raise errors[0]
    return tuple(rows), tuple(failed), _twins(summaries.values())


def _measured(
    candidate: Candidate,
    request: StudyRequest,
    settings: Settings,
    executor: Executor,
    progress: Progress | None,
) -> Analysis:
    return measure(locate(candidate.source, request.address), settings, progress, executor)


def _stop_if_unreachable(error: GateError, candidate: Candidate, request: StudyRequest) -> None:
    """Let a dead registry end the study at the first model, rather than be found dead by each of them."""
    if isinstance(error, RegistryError) and not isinstance(parse_source(candidate.source), PathSource):
        connect(request.address).describe()


def _row(known: _Known, analysis: Analysis) -> ModelRow:
    """Return a measured model as a row of the study."""
    labels = {"architecture": analysis.architecture, "depth": str(analysis.coverage.layers), **known.labels}
    metrics = {field: getattr(analysis.model, field) for field in engine_metrics()}
    return ModelRow(known.candidate.model, metrics, known.qualities, labels)


def _twins(same: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Say which models have equal weights: each counts, and makes the p-values look better than they are."""
    found = [" = ".join(printable(name) for name in names) for names in same if len(names) > 1]
    if not found:
        return ()
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ((f"The same weights more than once, which counts as more evidence than it is: "
            f"{'; '.join(found[:_NAMED])}{more}."),)  # fmt: skip
