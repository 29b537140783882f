"""``gate check``: analyze, judge, record.  The step that CI runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gate.cli import options
from gate.cli.console import deliver, progress, report_format, say
from gate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gate.report.interface import Format
    from gate.workflow.check import CheckResult


def check(
    source: options.Source,
    *,
    policy: options.Policies = None,
    baseline: options.Baselines = None,
    waivers: options.WaiversFile = None,
    format_name: options.Formats = None,
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
    from gate.workflow.check import CheckRequest, check_source  # noqa: PLC0415
    from gate.workflow.measure import MeasureOptions  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415
    from gate.workflow.wait import seconds, wait_for_decision  # noqa: PLC0415

    if wait and record:
        raise UsageError("--wait records nothing itself", hint="Leave out --record.")
    strictness = _fail_on(fail_on)
    deliveries = _deliveries(format_name or [], output or [])
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
    for chosen, path in deliveries:
        deliver(chosen.verdict(result.verdict), path)
    if not quiet:
        _announce(result)
    if result.record_error is not None:
        raise result.record_error
    raise typer.Exit(int(exit_code(result.verdict, fail_on=strictness)))


def _fail_on(value: str) -> Literal["block", "warn"]:
    if value == "block":
        return "block"
    if value == "warn":
        return "warn"
    raise UsageError(f"--fail-on takes block or warn, not {value!r}")


def _deliveries(names: Sequence[str], paths: Sequence[Path]) -> list[tuple[Format, Path | None]]:
    """Pair formats with files; at most one may go to stdout."""
    from gate.report import format_name  # noqa: PLC0415 - keeps `gate --help` fast

    formats = [format_name(name) for name in names or ["text"]]
    if len(paths) > len(formats):
        raise UsageError(
            f"{len(paths)} output files for {len(formats)} formats",
            hint="Give a --format for each -o, in the same order.",
        )
    targets: list[Path | None] = [None if str(path) == "-" else path for path in paths]
    targets += [None] * (len(formats) - len(paths))
    if targets.count(None) > 1:
        raise UsageError("only one format can go to stdout", hint="Give each other format a file with -o.")
    return [(report_format(name, path), path) for name, path in zip(formats, targets, strict=True)]


def _announce(result: CheckResult) -> None:
    """Say on stderr what a person must know beside the report itself."""
    for note in result.notes:
        say(f"gate: {note}")
    if result.recorded is not None:
        say(f"gate: recorded; report: {result.recorded.link}")
