"""``gate calibrate``: limits from a history of versions, and what a policy would have made of it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gate.cli import options
from gate.cli.console import progress, say, seen
from gate.cli.outputs import Target, deliver_all, destinations
from gate.errors import UsageError

if TYPE_CHECKING:
    from gate.study.calibrate import Backtest, Calibration
    from gate.study.calibrate.interface import CalibrationFormat

_POLICY_FILES = (".yaml", ".yml")


def calibrate(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="models:/NAME (every version), experiment:NAME (or :ID) or a folder of model files, the "
            "oldest first by name; may repeat, each a history of its own.",
            show_default=False,
        ),
    ],
    *,
    backtest: Annotated[
        list[Path] | None,
        typer.Option(
            "--backtest",
            envvar="GATE_BACKTEST",
            help="Propose nothing: say what this policy would have decided on every version, at its time; "
            "may repeat.",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            "-p",
            envvar="GATE_POLICY",
            help="The policy whose limits are set by the history: a file, or default, strict or llm.  "
            "[default: default]",
        ),
    ] = None,
    false_refusals: Annotated[
        float,
        typer.Option(
            "--false-refusals",
            envvar="GATE_FALSE_REFUSALS",
            help="Largest expected share of good versions that the whole policy may refuse.",
        ),
    ] = 0.05,
    quality: Annotated[
        str | None,
        typer.Option(
            "--quality",
            envvar="GATE_QUALITY",
            help="A run metric, tag:KEY or column that tells good from bad.",
        ),
    ] = None,
    better: Annotated[
        str | None,
        typer.Option(
            "--better",
            envvar="GATE_BETTER",
            metavar="higher|lower",
            help="Which quality is better.  [default: lower where the name says loss, error or gap]",
        ),
    ] = None,
    bad_beyond: Annotated[
        float | None,
        typer.Option(
            "--bad-beyond",
            envvar="GATE_BAD_BEYOND",
            help="A version with a worse quality than this is bad.  [default: an outlier, by Tukey's fence]",
        ),
    ] = None,
    good: Annotated[
        str,
        typer.Option(
            "--good",
            envvar="GATE_GOOD",
            metavar="auto|promoted|not-bad|all",
            help="The good versions: promoted and neither rolled back nor bad, not known to be bad, or all; "
            "auto is promoted where there are eight of them, else not-bad.",
        ),
    ] = "auto",
    promoted: Annotated[
        list[str] | None,
        typer.Option(
            "--promoted",
            envvar="GATE_PROMOTED",
            help="What tells a promoted version: alias:GLOB, stage:GLOB, tag:KEY or tag:KEY=GLOB; may "
            "repeat.  [default: alias:champion, alias:production, stage:Production]",
        ),
    ] = None,
    rolled_back: Annotated[
        list[str] | None,
        typer.Option(
            "--rolled-back",
            envvar="GATE_ROLLED_BACK",
            help="What tells a version that was taken back, likewise.  [default: tag:rolled_back]",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            envvar="GATE_TABLE",
            help="A CSV of what is known beside the registry: a column model, name or version, and fate "
            "(promoted, rolled back, unknown) or the quality.",
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--last", min=1, envvar="GATE_LAST", help="Only the newest N versions of each source."),
    ] = None,
    reuse: Annotated[
        bool,
        typer.Option(
            "--reuse/--no-reuse",
            envvar="GATE_REUSE",
            help="Take analyses recorded with a decision, where digest, convention and settings fit.",
        ),
    ] = True,
    format_name: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            envvar="GATE_FORMAT",
            help="text, json, csv, markdown or html, once.  [default: text]",
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            envvar="GATE_OUTPUT",
            help="Write here: a .yaml file gets the proposed policy, any other the report; may repeat.",
        ),
    ] = None,
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
    """Propose a policy's limits from a history of versions, or replay policies over it.

    Reads models, runs and tags, writes nothing to the registry.
    """
    from gate.workflow.calibrate import (  # noqa: PLC0415 - keeps `gate --help` fast
        Choices,
        history_request,
        run_backtest,
        run_calibration,
    )
    from gate.workflow.measure import MeasureOptions  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415

    policy_file, report_file = _targets(output or [], backtest=bool(backtest))
    report = Target(_one(format_name or ["text"]), report_file)
    chosen = _format(report.format_name, report_file)
    request = history_request(
        sources,
        Choices(quality, better, bad_beyond, good, tuple(promoted or ()), tuple(rolled_back or ()), table),
        last=last,
        reuse=reuse,
        options=MeasureOptions(convention, full, jobs, seed, float32, executor, cache),
        address=RegistryAddress(tracking_uri, registry_uri),
    )
    tell = None if quiet else lambda note: say(f"gate: {note}")
    with progress(quiet=quiet) as bar:
        result: Calibration | Backtest = (
            run_backtest(request, backtest, bar, tell)
            if backtest
            else run_calibration(request, policy, false_refusals, bar, tell)
        )
    _deliver(result, chosen, policy_file, report, quiet=quiet)


def _deliver(
    result: Calibration | Backtest,
    chosen: CalibrationFormat,
    policy_file: Path | None,
    report: Target,
    *,
    quiet: bool,
) -> None:
    from gate.study.calibrate.interface import Calibration  # noqa: PLC0415 - as above

    if isinstance(result, Calibration):
        policy = [] if policy_file is None else [(result.policy, Target("yaml", policy_file))]
        deliver_all([(chosen.calibration(result), report), *policy])
        if policy_file is not None and not quiet:
            say(f"gate: the policy is in {policy_file}; try it: --backtest {policy_file}")
    else:
        deliver_all([(chosen.backtest(result), report)])
    if result.unreadable and not quiet:
        number = len(result.unreadable)
        noun = "version" if number == 1 else "versions"
        say(f"gate: {number} {noun} not measured, each named with its reason")


def _targets(paths: list[Path], *, backtest: bool) -> tuple[Path | None, Path | None]:
    """Return where the policy and the report go: by the files' names."""
    places = destinations(paths)
    policies = [path for path in places if path is not None and path.suffix.lower() in _POLICY_FILES]
    reports = [path for path in places if path not in policies]
    if backtest and policies:
        raise UsageError("a backtest proposes no policy", hint="Leave out --backtest, or write the report.")
    if len(policies) > 1 or len(reports) > 1:
        raise UsageError(
            "more than one file for the same thing", hint="One .yaml file for the policy, one for the report."
        )
    return next(iter(policies), None), next(iter(reports), None)


def _one(names: list[str]) -> str:
    if len(names) > 1:
        raise UsageError(f"{len(names)} formats for one report", hint="Give --format once.")
    return names[0]


def _format(name: str, output: Path | None) -> CalibrationFormat:
    """Return a format set up for where it goes: colour and width only on a terminal."""
    from gate.study.calibrate.formats import (  # noqa: PLC0415 - as above
        calibration_format,
        calibration_format_name,
    )

    known = calibration_format_name(name)
    if output is not None or not seen(sys.stdout):
        return calibration_format(known)
    width = max(60, shutil.get_terminal_size().columns)
    return calibration_format(known, color="NO_COLOR" not in os.environ, width=width)
