"""What ``gate check`` does: look up, measure, judge, record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, ModelError, NothingToMeasureError, RegistryError, UsageError
from gate.text import printable
from gate.workflow.measure import MeasureOptions
from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict
    from gate.policy.rules import Policy
    from gate.policy.waivers import Waiver, Waivers
    from gate.registry import RecordReceipt
    from gate.registry.attestation.interface import SigningKey
    from gate.spectra.executors import Executor
    from gate.workflow.enforced import Governing
    from gate.workflow.measure import Progress
    from gate.workflow.memory import Given
    from gate.workflow.sources import Located

_REPORT_FILES: Final[Mapping[str, str]] = {
    "report.html": "html",
    "verdict.json": "json",
    "layers.csv": "csv",
}
"""Files of the report run and the formats they are rendered in (docs/reference/tags.md)."""


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to check and how.

    ``policies`` are files, empty for the packaged default; ``baselines`` replace those of the
    policies; ``record`` None means: record where there is a registered version.  ``given`` holds
    models in memory by the source or baseline specification that stands for them; ``waivers`` is the
    file of waivers; ``stored`` says to judge recorded analyses again, instead of reading the models,
    wherever :mod:`gate.workflow.stored` finds that they suffice.  ``governing`` are policies that
    somebody looked up already and that are to judge, in the place of ``policies``.
    """

    source: str
    policies: tuple[Path, ...] = ()
    baselines: tuple[str, ...] = ()
    options: MeasureOptions = field(default_factory=MeasureOptions)
    record: bool | None = None
    address: RegistryAddress = field(default_factory=RegistryAddress)
    given: Mapping[str, Given] = field(default_factory=dict)
    waivers: Path | None = None
    stored: bool = False
    governing: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict, what was recorded, and what a person should know beside them.

    ``record_error`` is set where recording was wanted and failed; the verdict stands all the same.
    ``reused`` says that the analysis is a recorded one, and the model was not read.
    """

    verdict: Verdict
    notes: tuple[str, ...] = ()
    recorded: RecordReceipt | None = None
    record_error: GateError | None = None
    reused: bool = False


def load_governing(request: CheckRequest, model: str | None, alias: str | None = None) -> tuple[Policy, ...]:
    """Return the policies of the request that govern ``model`` (and ``alias``).

    Raises
    ------
    gate.errors.PolicyError
        A policy file is not valid.
    """
    from gate.policy import governing, load_policies, policy_path  # noqa: PLC0415 - pydantic and YAML

    files = request.policies or ("default",)
    return governing(load_policies([policy_path(file) for file in files]), model=model, alias=alias)


def check_source(request: CheckRequest, progress: Progress | None = None) -> CheckResult:
    """Check one model.

    Raises
    ------
    gate.errors.UsageError
        The source, a flag, a policy or a baseline is not usable; nothing was judged.
    gate.errors.NothingToMeasureError
        No policy governs the model, so there is nothing to judge it by.
    gate.errors.RegistryError, gate.errors.ResourceError
        The model or a baseline could not be brought here.
    """
    from gate.policy import Waivers, load_waivers  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.baselines import refuse_absent, uncompared_note  # noqa: PLC0415
    from gate.workflow.enforced import governing_policies  # noqa: PLC0415
    from gate.workflow.sources import locate  # noqa: PLC0415
    from gate.workflow.standing import standing_notes  # noqa: PLC0415

    all_policies = load_governing(request, model=None)  # a bad policy is told before anything is pulled
    waivers = load_waivers(request.waivers) if request.waivers else ()
    located = _in_memory(request) or locate(request.source, request.address)
    governing = governing_policies(request, located)
    policies = governing.policies
    if not policies:
        raise NothingToMeasureError(
            f"none of the {len(all_policies)} policies governs {printable(located.resolved.name or '')!r}",
            hint="Look at `match: {models: [...]}` in the policies.",
        )
    refuse_absent(request, located)
    record = _wants_record(request, located, governing)
    key = _signing_key() if record else None  # one that cannot be used is told before anything is pulled
    executor = request.options.make_executor()
    excused = Waivers(waivers, datetime.now(timezone.utc), located.resolved.name)
    judged = _judge(request, located, policies, excused, executor, progress)
    verdict, unseen = _with_history(_with_overrides(judged.verdict, located), located)
    notes = (*_notes(governing, located, recording=record), *executor.notes, *unseen)
    notes += (*standing_notes(verdict, located), *uncompared_note(request, verdict, located))
    result = CheckResult(verdict, notes, reused=judged.reused)
    if not record:
        return result
    from gate.registry.attestation.interface import AttestationError  # noqa: PLC0415 - as above

    try:
        receipt = record_verdict(located, verdict, judged.digest, waivers=waivers, key=key)
        return replace(result, verdict=replace(verdict, signed_by=receipt.signed_by), recorded=receipt)
    except (RegistryError, UsageError, AttestationError) as error:
        return replace(result, record_error=_unrecorded(error))


def _in_memory(request: CheckRequest) -> Located | None:
    from gate.registry.resolve import ResolvedSource  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.sources import Located  # noqa: PLC0415

    return Located(ResolvedSource(uri=request.source), None) if request.source in request.given else None


def _signing_key() -> SigningKey | None:
    from gate.registry.attestation.keys import load_signing_key  # noqa: PLC0415 - keeps `gate --help` fast

    return load_signing_key()


def _wants_record(request: CheckRequest, located: Located, governing: Governing) -> bool:
    """Tell whether to record: where nobody said, on what is registered, as far as anybody would take it."""
    if request.record and not located.registered:
        raise UsageError(
            f"{printable(request.source)} is no registered version, so there is nowhere to record a decision",
            hint="Check models:/NAME/VERSION, or leave out --record.",
        )
    if request.record is not None:
        return request.record
    return located.registered and not governing.untaken


@dataclass(frozen=True, slots=True)
class _Judged:
    """A verdict, the digest of the model's files if they were read, and whether they did not have to be."""

    verdict: Verdict
    digest: str | None
    reused: bool = False


def _judge(
    request: CheckRequest,
    located: Located,
    policies: Sequence[Policy],
    waivers: Waivers,
    executor: Executor,
    progress: Progress | None,
) -> _Judged:
    """Measure and judge; what cannot be read becomes the verdict that the policies want for it."""
    from gate.policy import error_verdict, judge, needed_groups, nothing_verdict  # noqa: PLC0415
    from gate.registry.pull import open_model  # noqa: PLC0415
    from gate.workflow.baselines import baseline_lookup  # noqa: PLC0415
    from gate.workflow.measure import measure_files  # noqa: PLC0415
    from gate.workflow.stored import stored_analysis  # noqa: PLC0415

    settings = request.options.settings(needed_groups(policies))
    connection = located.registry.connection if located.registry is not None else None
    uri, convention = located.resolved.uri, request.options.convention
    digest: str | None = None
    nothing: NothingToMeasureError | None = None
    analysis: Analysis | None = None
    stored = stored_analysis(located, settings) if request.stored else None
    try:
        if stored is not None:
            analysis, digest = stored, stored.source.digest
        elif uri in request.given:
            analysis = request.given[uri].measure(settings, progress, executor)
        else:
            with open_model(located.resolved, connection, _pulling(progress)) as model:
                digest = model.digest
                analysis = measure_files(model, settings, progress, executor)
    except NothingToMeasureError as error:
        nothing = error
    except ModelError as error:
        told = f"{error}. {error.hint}" if error.hint else str(error)
        verdict = error_verdict(policies, told, uri=uri, convention=convention, waivers=waivers)
        return _Judged(verdict, digest)
    resolve = baseline_lookup(request, located, settings, executor, analysis, progress)
    run_metrics = located.registry.run_metrics(located.resolved) if located.registry else {}
    baselines = request.baselines or None
    if analysis is None:
        verdict = nothing_verdict(
            policies,
            str(nothing),
            uri=uri,
            convention=convention,
            waivers=waivers,
            unsafe_globals=None if nothing is None else nothing.unsafe_globals,
            digest=digest,
            resolve=resolve,
            run_metrics=run_metrics,
            baselines=baselines,
        )
    else:
        verdict = judge(
            analysis, policies, resolve=resolve, run_metrics=run_metrics, baselines=baselines, waivers=waivers
        )
    return _Judged(verdict, digest, reused=stored is not None)


def _pulling(progress: Progress | None) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress("Reading files", done, total)


def _with_history(verdict: Verdict, located: Located) -> tuple[Verdict, tuple[str, ...]]:
    """Add the earlier versions, which no rule depends on; where they cannot be listed, say so."""
    from gate.workflow.history import EARLIER, history_points  # noqa: PLC0415

    if located.registry is None:
        return verdict, ()
    try:
        records = located.registry.earlier(located.resolved, EARLIER)
    except GateError as error:
        return verdict, (f"the report shows no earlier versions: {error}",)
    return replace(verdict, history=history_points(records)), ()


def _with_overrides(verdict: Verdict, located: Located) -> Verdict:
    """Add the overrides that stand on the version: whoever reads the report must know of them."""
    from gate.workflow.overrides import overrides_in_force  # noqa: PLC0415 - keeps `gate --help` fast

    if located.registry is None or not located.registered:
        return verdict
    found = overrides_in_force(located.resolved, located.registry.connection.naming)
    return replace(verdict, overrides=found)


def _notes(governing: Governing, located: Located, *, recording: bool) -> tuple[str, ...]:
    notes = [governing.note] if governing.note else []
    if governing.untaken and not recording:
        notes.append(
            "not recorded: the registry enforces no policy on this model, so it takes no decision on it"
        )
    if located.resolved.note:
        notes.append(located.resolved.note)
    return tuple(notes)


def record_verdict(
    located: Located,
    verdict: Verdict,
    digest: str | None,
    *,
    waivers: Sequence[Waiver] = (),
    key: SigningKey | None = None,
) -> RecordReceipt:
    """Record a verdict on the registered version that it is about, with its reports, signed if we hold a key.

    Parameters
    ----------
    located, verdict:
        The version and what was found.
    digest:
        Of the model's files, None where they could not be read.
    waivers:
        Those that were given to the check: what was used of them is signed with it.
    key:
        What to sign with; None for the one that the environment names, if any.

    Raises
    ------
    gate.errors.UsageError
        It is no registered version, or the version is gone; or the environment's key cannot be used.
    gate.errors.RegistryError
        It could not be recorded, or the registry refused it.
    gate.registry.attestation.AttestationError
        It could not be signed.
    """
    from gate.registry import RecordInput  # noqa: PLC0415
    from gate.report import format_name, render_verdict  # noqa: PLC0415

    if located.registry is None:
        raise UsageError("there is no registry to record in")
    key = key or _signing_key()
    verdict = replace(verdict, signed_by=key.id if key is not None else None)
    artifacts = {
        file: render_verdict(verdict, format_name(name)).encode()
        for file, name in _REPORT_FILES.items()
        if verdict.analysis is not None or name != "csv"
    }
    judged = RecordInput.of(verdict, digest, artifacts, waivers)
    return located.registry.record(located.resolved, judged, key)


def _unrecorded(error: GateError) -> GateError:
    """Say that the judging was done and only the recording was not."""
    told = RegistryError(f"judged, but not recorded: {error.message}", hint=error.hint)
    told.__cause__ = error
    return told
