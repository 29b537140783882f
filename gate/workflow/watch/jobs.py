"""What a worker does: check a version, compare its files, or record that a check cannot be done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from gate.errors import RegistryError, UsageError
from gate.workflow.watch.interface import Done

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.registry import Decision
    from gate.workflow.check import CheckRequest
    from gate.workflow.sources import Located

    Job = Mapping[str, Any]


def check(request: CheckRequest, job: Job) -> Done:
    """Judge the version and record the decision, unless somebody else did so meanwhile.

    Where only its policies changed, the recorded analysis is judged again if it suffices.

    Raises
    ------
    gate.errors.GateError
        It could not be judged, or the decision not be recorded.
    """
    from gate.workflow.check import check_source  # noqa: PLC0415 - after the start

    decision = _decision(_located(request))
    settled = decision is not None and decision.outcome != "error"
    if decision is not None and settled and decision.policy_digest == job["asked"]:
        return Done(None)
    result = check_source(replace(request, stored=job["reason"] == "policy"))
    if result.record_error is not None:
        raise result.record_error.__cause__ or result.record_error
    return Done(
        result.verdict.outcome,
        result.recorded.run_id if result.recorded else "",
        reused=result.reused,
    )


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
    decision = _decision(located)
    if decision is None or decision.digest is None:
        return Done(None)
    if _as_judged(located, decision, deep=bool(job["deep"])):
        return Done(None)
    return check(request, {**job, "asked": None})


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

    located = _located(request)
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


def _decision(located: Located) -> Decision | None:
    if located.registry is None:
        raise UsageError(f"{located.resolved.uri} is no registered version")
    return located.registry.decision(located.resolved)


def _as_judged(located: Located, decision: Decision, *, deep: bool) -> bool:
    from gate.registry.pull import list_model, open_model  # noqa: PLC0415 - after the start
    from gate.workflow.stored import recorded_analysis  # noqa: PLC0415 - after the start

    if located.registry is None:
        raise RegistryError("there is no registry to compare with")
    connection = located.registry.connection
    if not deep:
        judged = recorded_analysis(located.registry, located.resolved)
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
