"""``gate check``: analyze, judge, record.  The step that CI runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from gate.cli import options
from gate.cli.console import complain, progress, report_format, say
from gate.cli.outputs import Target, conclude, deliver_each, targets
from gate.errors import UsageError
from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.interface import Verdict
    from gate.workflow.check import CheckResult


_LONGEST_LIST: Final = 400


def check(
    context: typer.Context,
    source: options.Source,
    *,
    policy: options.Policies = None,
    baseline: options.Baselines = None,
    waivers: options.WaiversFile = None,
    format_name: Annotated[
        list[str] | None,
        options.formats("text, json, csv, junit, sarif, markdown, html, github or gitlab"),
    ] = None,
    output: options.Outputs = None,
    record: Annotated[
        bool | None,
        typer.Option(
            "--record/--no-record",
            envvar="GATE_RECORD",
            help="Record the decision in the registry.  [default: for models:/NAME/V and aliases]",
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            envvar="GATE_WAIT",
            help="Judge nothing here: wait for the decision that gate watch makes, and report it.",
        ),
    ] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", envvar="GATE_TIMEOUT", help="Longest wait: 90s, 30m, 2h.")
    ] = "30m",
    fail_on: Annotated[
        str,
        typer.Option("--fail-on", envvar="GATE_FAIL_ON", help="block or warn: what makes the exit code 1."),
    ] = "block",
    convention: options.Convention = "gate-1",
    full: options.Full = False,
    jobs: options.Jobs = None,
    seed: options.Seed = 0,
    float32: options.Float32 = False,
    executor: options.Executor = "local",
    cache: options.Cache = True,
    tracking_uri: options.TrackingUri = None,
    registry_uri: options.RegistryUri = None,
    quiet: options.Quiet = False,
) -> None:
    """Judge a model against policies, and record the decision.

    Exit codes: 0 passed, 1 blocked, 2 usage or configuration, 3 could not do it, 4 nothing or too
    little evaluated, 130 and 143 interrupted.
    """
    from gate.policy import exit_code  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.report import format_name as known  # noqa: PLC0415
    from gate.workflow.check import CheckRequest, check_source  # noqa: PLC0415
    from gate.workflow.measure import MeasureOptions  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415
    from gate.workflow.wait import seconds, wait_for_decision  # noqa: PLC0415

    if wait and record:
        raise UsageError("--wait records nothing itself", hint="Leave out --record.")
    if not wait and _typed(context, "timeout"):
        raise UsageError("--timeout is how long --wait waits", hint="Add --wait, or leave out --timeout.")
    strictness = _fail_on(fail_on)
    deliveries = [
        (report_format(each.format_name, each.path), each) for each in targets(format_name, output, known)
    ]
    request = CheckRequest(
        source=source,
        policies=tuple(policy or ()),
        baselines=tuple(baseline or ()),
        options=MeasureOptions(convention, full, jobs, seed, float32, executor, cache),
        record=record,
        address=RegistryAddress(tracking_uri, registry_uri),
        waivers=waivers,
    )
    if wait:
        result = wait_for_decision(
            request, seconds(timeout), None if quiet else lambda words: say(f"gate: {words}")
        )
    else:
        with progress(quiet=quiet) as report:
            result = check_source(request, report)
    lost = deliver_each((form.verdict(result.verdict), target) for form, target in deliveries)
    if not quiet:
        if Target("text", None) not in (target for _, target in deliveries):
            _announce_outcome(result.verdict)
        _announce(result)
    if result.record_error is not None:
        for error in lost:
            complain(str(error), None)
        raise result.record_error
    recorded = wait or result.recorded is not None
    known_anyway = _known(result.verdict, recorded=recorded)
    conclude(exit_code(result.verdict, fail_on=strictness), lost, known_anyway, quiet=quiet)


def _typed(context: typer.Context, parameter: str) -> bool:
    """Tell whether a flag stood on the command line; a variable may be meant for another command."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def _fail_on(value: str) -> Literal["block", "warn"]:
    if value == "block":
        return "block"
    if value == "warn":
        return "warn"
    raise UsageError(f"--fail-on takes block or warn, not {value!r}")


def _announce_outcome(verdict: Verdict) -> None:
    """Say on stderr what refuses, or would if it were enforced: no report on stdout does."""
    from gate.report.outline import audit_notes, headline, rules_by, subject  # noqa: PLC0415 - as above

    for note in audit_notes(verdict):
        say(f"gate: {note}")
    if verdict.outcome not in {"passed", "warned"}:
        failed = ", ".join(printable(rule.id) for rule in rules_by(verdict, "failed", "block"))
        by = f"; failed rules: {printable(failed, _LONGEST_LIST)}" if failed else ""
        say(f"gate: {headline(verdict)}: {subject(verdict)}{by}")


def _known(verdict: Verdict, *, recorded: bool) -> str:
    """Say what is decided and recorded, for somebody who did not get the report."""
    what = "the decision was recorded" if recorded else "nothing was recorded"
    return f"The model was judged, its outcome is {verdict.outcome}, and {what}."


def _announce(result: CheckResult) -> None:
    """Say on stderr what a person must know beside the report itself."""
    for note in result.notes:
        say(f"gate: {note}")
    if result.recorded is not None:
        say(f"gate: recorded; report: {result.recorded.report}")
