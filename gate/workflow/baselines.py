"""Looking baselines up for a check, and telling a mistake in naming one from there being none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.errors import ModelError, NothingToMeasureError, UsageError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.analysis.interface import Analysis
    from gate.errors import GateError
    from gate.policy.interface import Baseline, Verdict
    from gate.registry import Registry
    from gate.spectra.executors import Executor
    from gate.spectra.interface import Settings
    from gate.workflow.check import CheckRequest
    from gate.workflow.measure import Progress
    from gate.workflow.sources import Located


def refuse_absent(request: CheckRequest, located: Located) -> None:
    """Raise where the caller names a version, model or run that does not exist, and nothing else is there.

    Counted as missing, a wrong number would switch the comparison off.  An alias may not be set yet, and
    is counted so; :func:`uncompared_note` tells the caller.

    Raises
    ------
    gate.errors.UsageError
        As said; or a baseline is malformed.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    from gate.registry.baseline import choose_baseline  # noqa: PLC0415 - keeps `gate --help` fast

    named = request.baselines
    if any(spec in request.given or spec == "none" for spec in named):
        return
    if all(_moves(spec) for spec in named):
        return
    registry = located.registry or _registry_of(named, request)
    choice = choose_baseline(named, located.resolved, registry.connection if registry else None)
    if choice.resolved is None:
        raise UsageError(
            f"there is no baseline to compare with: {choice.why}",
            hint="Name a version that exists, or --baseline none to compare with nothing.",
        )


def _registry_of(specs: Sequence[str], request: CheckRequest) -> Registry | None:
    """Connect to the request's registry where a baseline is in one; None where none is."""
    from gate.workflow.sources import connect  # noqa: PLC0415 - keeps `gate --help` fast

    return connect(request.address) if any(spec.startswith(("models:", "runs:")) for spec in specs) else None


def _moves(spec: str) -> bool:
    """Tell a name that stands for another version from day to day, and for none before the first."""
    from gate.registry.source import AliasSource, LatestSource, parse_source  # noqa: PLC0415 - as above

    if spec == "previous" or spec.startswith("alias:"):
        return True
    return not spec.startswith("version:") and isinstance(parse_source(spec), AliasSource | LatestSource)


def uncompared_note(request: CheckRequest, verdict: Verdict, located: Located) -> tuple[str, ...]:
    """Say that nothing was compared, where it was asked for or this is no first version."""
    wanted = request.baselines or tuple(item.spec for item in verdict.baselines)
    looked_for = [item for item in verdict.baselines if item.spec in wanted and item.spec != "none"]
    expected = bool(request.baselines) or (located.resolved.version or 1) > 1
    if not expected or not looked_for or any(item.uri is not None for item in looked_for):
        return ()
    tried = "; ".join(f"{printable(item.spec)}: {printable(item.why, 300)}" for item in looked_for)
    return (f"compared with nothing, since no baseline was found: {tried}",)


def baseline_lookup(
    request: CheckRequest,
    located: Located,
    settings: Settings,
    executor: Executor,
    candidate: Analysis | None,
    progress: Progress | None,
) -> Callable[[str], Baseline]:
    """Return how to look a baseline up and measure it with the candidate's settings.

    ``candidate`` is what was measured of the model that is checked, None where it has no weight matrices.

    One that the request names and that cannot be measured is a usage error; one of a policy is missing.
    For a candidate without weights (None) a baseline without weights is one as well: their runs compare.
    """
    from gate.policy import without_weights  # noqa: PLC0415
    from gate.policy.interface import Baseline  # noqa: PLC0415
    from gate.registry.baseline import choose_baseline  # noqa: PLC0415
    from gate.workflow.measure import measure  # noqa: PLC0415
    from gate.workflow.sources import Located  # noqa: PLC0415
    from gate.workflow.stored import stored_analysis  # noqa: PLC0415

    measured: dict[str, Analysis] = {candidate.source.uri: candidate} if candidate is not None else {}
    registry = located.registry

    def resolve(spec: str) -> Baseline:
        nonlocal registry
        if spec in request.given:
            try:
                return Baseline(spec, spec, request.given[spec].measure(settings, progress, executor))
            except (ModelError, NothingToMeasureError) as error:
                _refuse_named(request, spec, error, candidate)
                return Baseline(spec, spec, None, f"it cannot be measured: {error}")
        registry = registry or _registry_of((spec,), request)
        choice = choose_baseline((spec,), located.resolved, registry.connection if registry else None)
        why = choice.why.removeprefix(f"{printable(spec)}: ")  # the judge names the spec itself
        if choice.resolved is None:
            return Baseline(spec, None, None, why)
        found = Located(choice.resolved, registry)
        uri = choice.resolved.uri
        if uri not in measured:
            try:
                recorded = stored_analysis(found, settings) if request.stored else None
                measured[uri] = recorded or measure(found, settings, progress, executor)
            except (ModelError, NothingToMeasureError) as error:
                if candidate is not None or isinstance(error, ModelError):
                    _refuse_named(request, spec, error, candidate)
                    return Baseline(spec, uri, None, f"{why}, but it cannot be measured: {error}")
                measured[uri] = without_weights(uri, settings.convention.name, error.unsafe_globals or ())
        metrics = registry.run_metrics(choice.resolved) if registry else {}
        return Baseline(spec, uri, measured[uri], why, metrics)

    return resolve


def _refuse_named(request: CheckRequest, spec: str, error: GateError, candidate: Analysis | None) -> None:
    """Raise where the caller named the baseline: counted as missing, a typo would switch off comparing.

    Nothing to measure on both sides is no mistake.
    """
    neither = candidate is None and isinstance(error, NothingToMeasureError)
    if spec in request.baselines and not neither:
        raise UsageError(
            f"the baseline {printable(spec)} cannot be measured: {error.message}",
            hint=error.hint or "Name another one, or none.",
        ) from error
