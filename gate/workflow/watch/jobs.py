"""What a worker does: check a version, compare its files, or record that a check cannot be done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from gate.errors import UsageError
from gate.workflow.watch.interface import Done

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.registry import Decision, Registry
    from gate.workflow.check import CheckRequest
    from gate.workflow.sources import Located

    Job = Mapping[str, Any]


def check(request: CheckRequest, _job: Job) -> Done:
    """Judge the version and record the decision, unless somebody else did so meanwhile.

    Where only its policies changed, the recorded analysis is judged again if it suffices.

    Raises
    ------
    gate.errors.GateError
        It could not be judged, or the decision not be recorded.
    """
    from gate.workflow.enforced import governing_policies  # noqa: PLC0415 - after the start
    from gate.workflow.watch.plan import why_check  # noqa: PLC0415 - after the start

    located = _located(request)
    governing = governing_policies(request, located)
    reason = why_check(
        located.resolved,
        governing.policies,
        _registry(located).connection.naming,
        request.options.convention,
        enforced=governing.enforcing,
    )
    return Done(None) if reason is None else _judge(replace(request, stored=reason == "policy"))


def _judge(request: CheckRequest) -> Done:
    from gate.workflow.check import check_source  # noqa: PLC0415 - after the start

    result = check_source(request)
    if result.record_error is not None:
        raise result.record_error.__cause__ or result.record_error
    run_id = result.recorded.run_id if result.recorded else ""
    return Done(result.verdict.outcome, run_id, reused=result.reused)


def compare_files(request: CheckRequest, job: Job) -> Done:
    """Compare the version's files with those that were judged; where they differ, check it.

    Names and sizes are listed first, which needs no download; unless ``deep``, nothing is hashed
    where they are as they were.

    Raises
    ------
    gate.errors.GateError
        The files could not be read, or the new check not be done.
    """
    located = _located(request)
    decision = _registry(located).decision(located.resolved)
    if decision is None or decision.digest is None:
        return Done(None)
    if _as_judged(located, decision, deep=bool(job["deep"])):
        return Done(None)
    return _judge(request)


def give_up(request: CheckRequest, job: Job) -> Done:
    """Record that the check could not be done, so that nobody waits for it and nothing is promoted.

    The outcome is ``error`` whatever ``on_error`` says: that speaks of models that cannot be read,
    and nothing is known of this one.

    Raises
    ------
    gate.errors.GateError
        It could not be recorded.
    """
    from gate.policy import error_verdict  # noqa: PLC0415 - after the start
    from gate.workflow.check import record_verdict  # noqa: PLC0415 - after the start
    from gate.workflow.enforced import governing_policies  # noqa: PLC0415 - after the start

    located = _listed(request)
    verdict = error_verdict(
        governing_policies(request, located).policies,
        str(job["message"]),
        uri=located.resolved.uri,
        convention=request.options.convention,
    )
    failed = tuple(replace(policy, outcome="error") for policy in verdict.policies)
    receipt = record_verdict(located, replace(verdict, outcome="error", policies=failed), None)
    return Done("error", receipt.run_id)


JOBS: Final[Mapping[str, Callable[[CheckRequest, Job], Done]]] = {
    "check": check,
    "files": compare_files,
    "give-up": give_up,
}


def _located(request: CheckRequest) -> Located:
    from gate.workflow.sources import locate  # noqa: PLC0415 - after the start

    return locate(request.source, request.address)


def is_gone(request: CheckRequest) -> bool:
    """Tell whether the version is not there any more; a run that it points to may be missing, too.

    Raises
    ------
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    from gate.registry import MissingError  # noqa: PLC0415 - after the start

    try:
        _listed(request)
    except MissingError:
        return True
    return False


def _listed(request: CheckRequest) -> Located:
    """Look the version up without its files, which may be why it cannot be checked."""
    from gate.registry.source import VersionSource, parse_source  # noqa: PLC0415 - after the start
    from gate.registry.sweep import listed_version  # noqa: PLC0415 - after the start
    from gate.workflow.sources import Located, connect  # noqa: PLC0415 - after the start

    source = parse_source(request.source)
    if not isinstance(source, VersionSource):
        raise UsageError(f"{request.source} is no registered version")
    registry = connect(request.address)
    return Located(listed_version(registry.connection, source.name, source.version).resolved, registry)


def _registry(located: Located) -> Registry:
    if located.registry is None:
        raise UsageError(f"{located.resolved.uri} is no registered version")
    return located.registry


def _as_judged(located: Located, decision: Decision, *, deep: bool) -> bool:
    from gate.registry.pull import list_model, open_model  # noqa: PLC0415 - after the start
    from gate.workflow.stored import recorded_analysis  # noqa: PLC0415 - after the start

    registry = _registry(located)
    connection = registry.connection
    if not deep:
        judged = recorded_analysis(registry, located.resolved)
        if judged is None:
            return True  # nothing to compare sizes with; the next hashing tells
        sizes = {file.path: file.size for file in judged.source.files}
        listed = list_model(located.resolved, connection)
        if all(size is None or sizes.get(path) == size for path, size in listed) and len(listed) == len(
            sizes
        ):
            return True
    with open_model(located.resolved, connection) as model:
        return model.digest == decision.digest
