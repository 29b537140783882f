"""The history of a calibration: every version of its sources in order, what is known of it, measured once."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, get_args

from gate.errors import GateError, NothingToMeasureError, RegistryError, UsageError
from gate.study.calibrate.interface import Fate, PastVersion
from gate.study.calibrate.truth import Facts, fate_of, fates_by_history
from gate.text import printable
from gate.workflow.calibrate_promotions import holders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gate.analysis.interface import Analysis
    from gate.registry import Registry
    from gate.registry.collect import Candidate
    from gate.spectra.executors import Executor
    from gate.spectra.interface import Settings
    from gate.study.columns import Table
    from gate.workflow.calibrate import HistoryRequest
    from gate.workflow.measure import Progress
    from gate.workflow.sources import Located

_DIGITS: Final = re.compile(r"(\d+)")
_FATE: Final = "fate"
_LONGEST_NUMBER: Final = 40


@dataclass(frozen=True, slots=True)
class Listed:
    """One version before it is measured; where there is nothing to measure, ``reason`` says why."""

    past: PastVersion
    source: str = ""
    names: tuple[str, ...] = ()
    facts: Facts = field(default_factory=Facts)
    reason: str = ""
    located: Located | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Versions in order, measured; ``located`` finds a version's source again by its URI."""

    versions: tuple[PastVersion, ...]
    located: Mapping[str, Located]
    notes: tuple[str, ...]


def collect(
    request: HistoryRequest, settings: Settings, executor: Executor, progress: Progress | None = None
) -> History:
    """List, look up and measure every version.

    Raises
    ------
    gate.errors.UsageError
        A source does not exist, or no version has the quality that was named.
    gate.errors.NothingToMeasureError
        There is no version, or none that holds a weight matrix.
    gate.errors.RegistryError
        The registry cannot be reached.
    gate.errors.GateError
        No version at all could be read; the first one's error.
    """
    listed = [one for source in dict.fromkeys(request.sources) for one in _listed(source, request)]
    if request.last is not None:
        listed = _newest(listed, request.last)
    if not listed:
        raise NothingToMeasureError(
            f"there is no version in {', '.join(map(printable, request.sources))}",
            hint="Register some, or name another source.",
        )
    known = _with_truth(listed, request)
    _check_quality(known, request)
    return _measured(known, request, settings, executor, progress)


def _listed(source: str, request: HistoryRequest) -> list[Listed]:
    """List what one source stands for, oldest first."""
    from gate.study.interface import StudySettings  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.study import StudyRequest  # noqa: PLC0415
    from gate.workflow.study_candidates import candidates  # noqa: PLC0415

    name = registered_name(source)
    if name is not None:
        return _versions(name, request)
    # An experiment's runs and a folder's files are found as a study finds them.
    found = list(candidates(source, StudyRequest((source,), StudySettings(), address=request.address)))
    if not source.lower().startswith("experiment:"):
        found.sort(key=lambda one: _natural(one.model))
    return [_of_candidate(source, place, one) for place, one in enumerate(found, 1)]


def registered_name(source: str) -> str | None:
    """Return NAME of ``models:/NAME``, which stands for all its versions; None for any other source.

    Raises
    ------
    gate.errors.UsageError
        It names one version: that is no history.
    """
    kind, _, name = source.partition(":/")
    if kind.lower() != "models":
        return None
    name = name.strip("/")
    if not name or "/" in name or "@" in name:
        raise UsageError(
            f"{printable(source)} is one version, and no history",
            hint="Name the registered model alone: models:/NAME stands for all its versions.",
        )
    return name


def _versions(name: str, request: HistoryRequest) -> list[Listed]:
    from gate.registry.failures import registry_errors  # noqa: PLC0415 - as above
    from gate.registry.resolve import READY, all_versions, resolve_version  # noqa: PLC0415
    from gate.registry.source import VersionSource  # noqa: PLC0415
    from gate.workflow.sources import Located, connect  # noqa: PLC0415

    registry = connect(request.address)
    connection = registry.connection
    with registry_errors(f"look up {printable(name)}", connection.registry_uri):
        model = connection.client.get_registered_model(name)
    found = []
    versions = sorted(all_versions(name, connection), key=lambda one: int(one.version))
    created = {int(version.version): int(version.creation_timestamp) for version in versions}
    past = fates_by_history(holders(connection.registry_uri, name, created), request.promoted)
    for version in versions:
        number = int(version.version)
        uri = VersionSource(name, number).uri
        one = PastVersion(name, number, f"{name}/{number}", uri, created[number], name)
        aliases = tuple(sorted(str(alias) for alias, at in model.aliases.items() if str(at) == str(number)))
        facts = Facts(aliases, _stage(version.current_stage), dict(version.tags), past.get(number))
        if version.status != READY:
            found.append(Listed(one, facts=facts, reason=f"its status is {printable(str(version.status))}"))
            continue
        located = Located(resolve_version(version, connection), registry)
        decision = registry.decision(located.resolved)
        one = replace(
            one,
            recorded=None if decision is None else decision.outcome,
            run_metrics=registry.run_metrics(located.resolved),
        )
        found.append(Listed(one, uri, (uri, str(number), f"{name}/{number}"), facts, located=located))
    return found


def _stage(stage: object) -> str:
    return "" if stage in {None, "None"} else str(stage)


def _of_candidate(source: str, place: int, candidate: Candidate) -> Listed:
    uri = candidate.source or candidate.model
    past = PastVersion(source, place, candidate.model, uri, run_metrics=candidate.metrics)
    return Listed(past, candidate.source, candidate.names, Facts(tags=candidate.tags), candidate.reason)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sort v2 before v10."""
    return tuple((int(part) if part.isdigit() else -1, part) for part in _DIGITS.split(name))


def _newest(listed: Sequence[Listed], last: int) -> list[Listed]:
    """Keep the newest versions of each series."""
    series: dict[str, list[Listed]] = {}
    for one in listed:
        series.setdefault(one.past.model, []).append(one)
    return [one for found in series.values() for one in found[-last:]]


def _with_truth(listed: Iterable[Listed], request: HistoryRequest) -> list[Listed]:
    """Add fate and quality: what a table says counts more than what the registry says."""
    rows = _rows(request.known) if request.known else {}
    done, used = [], set()
    for one in listed:
        row_name = next((name for name in (*one.names, one.past.name) if name in rows), None)
        row: Mapping[str, str] = rows[row_name] if row_name is not None else {}
        used.add(row_name)
        fate, why = fate_of(one.facts, request.promoted, request.rolled_back)
        if row.get(_FATE):
            fate, why = _fate(row[_FATE], request), "table"
        done.append(
            replace(one, past=replace(one.past, fate=fate, why_fate=why, quality=_quality(one, row, request)))
        )
    unused = [name for name in rows if name not in used]
    if unused and len(unused) == len(rows):
        raise UsageError(
            f"no row of {printable(request.known.file if request.known else '')} is about these versions",
            hint="A column called model, name or version says which version a row is about.",
        )
    return done


def _rows(table: Table) -> dict[str, Mapping[str, str]]:
    return dict(zip(table.names(), table.labels(), strict=True))


def _fate(word: str, request: HistoryRequest) -> Fate:
    for known in get_args(Fate):
        if word.casefold().replace("-", " ").replace("_", " ") == known:
            found: Fate = known
            return found
    table = printable(request.known.file if request.known else "")
    raise UsageError(
        f"{table} says {printable(word)!r} of a version's fate",
        hint=f"Write one of: {', '.join(get_args(Fate))}.",
    )


def _quality(one: Listed, row: Mapping[str, str], request: HistoryRequest) -> float | None:
    if request.quality is None:
        return None
    metric = request.quality.metric
    told = (row.get(metric), (one.facts.tags or {}).get(metric.removeprefix("tag:")))
    numbers = (_number(text) for text in told if text is not None)
    return next((number for number in numbers if number is not None), one.past.run_metrics.get(metric))


def _number(text: str) -> float | None:
    try:
        value = float(text) if len(text) <= _LONGEST_NUMBER else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _check_quality(listed: Sequence[Listed], request: HistoryRequest) -> None:
    if request.quality is None or any(one.past.quality is not None for one in listed):
        return
    names = sorted({metric for one in listed for metric in one.past.run_metrics})
    there = ", ".join(printable(name, 60) for name in names[:20])
    raise UsageError(
        f"no version has a quality called {printable(request.quality.metric)!r}",
        hint=f"Their runs logged: {there}."
        if there
        else "Their runs logged no metric; a --table can say it.",
    )


def _measured(
    listed: Sequence[Listed],
    request: HistoryRequest,
    settings: Settings,
    executor: Executor,
    progress: Progress | None,
) -> History:
    versions: list[PastVersion] = []
    errors: list[GateError] = []
    located: dict[str, Located] = {}
    reused = 0
    for place, one in enumerate(listed):
        if progress is not None:
            progress("Measuring versions", place, len(listed))
        if one.reason:
            versions.append(replace(one.past, error=one.reason))
            continue
        try:
            analysis, was_stored = _analysis(one, request, settings, executor, located, progress)
        except GateError as error:
            _stop_if_unreachable(error, one)
            errors.append(error)
            past = replace(one.past, error=error.message)
            if isinstance(error, NothingToMeasureError):
                past = replace(past, empty=True, unsafe_globals=error.unsafe_globals)
            versions.append(past)
            continue
        reused += was_stored
        versions.append(replace(one.past, analysis=analysis))
    if progress is not None:
        progress("Measuring versions", len(listed), len(listed))
    if not any(version.analysis is not None for version in versions):
        raise (
            errors[0]
            if errors
            else NothingToMeasureError(
                f"none of the {len(versions)} versions can be read: {versions[0].error}"
            )
        )
    notes = [f"{reused} of {len(versions)} analyses are those recorded with a decision"] if reused else []
    return History(tuple(versions), located, tuple(notes))


def _analysis(
    one: Listed,
    request: HistoryRequest,
    settings: Settings,
    executor: Executor,
    located: dict[str, Located],
    progress: Progress | None,
) -> tuple[Analysis, bool]:
    """Return the analysis of a version, and whether it is one that was recorded with a decision."""
    from gate.workflow.measure import measure  # noqa: PLC0415 - as above
    from gate.workflow.sources import locate  # noqa: PLC0415
    from gate.workflow.stored import stored_analysis  # noqa: PLC0415

    found = one.located or locate(one.source, request.address)
    located[one.past.uri] = found
    stored = stored_analysis(found, settings) if request.reuse else None
    if stored is not None:
        return stored, True
    return measure(found, settings, progress, executor), False


def _stop_if_unreachable(error: GateError, one: Listed) -> None:
    """Let a dead registry end it at the first version, rather than be found dead by each of them."""
    if isinstance(error, RegistryError) and one.located is not None and one.located.registry is not None:
        registry: Registry = one.located.registry
        registry.describe()
