"""``gate study``: which metric may gate which change, found on the user's own models."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gate.cli import options
from gate.cli.console import progress, say, seen
from gate.cli.outputs import deliver_all, targets

if TYPE_CHECKING:
    from gate.study.formats import StudyFormat
    from gate.study.interface import Study
    from gate.workflow.study import StudyRequest


def study(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="experiment:NAME (or :ID), models:/NAME (every version), a folder of model files, "
            "FILE.csv of figures, or single models; may repeat.",
            show_default=False,
        ),
    ],
    *,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            "-g",
            envvar="GATE_GROUP",
            help="What makes the sub-groups: architecture, depth, tag:KEY, param:KEY or a column; may "
            "repeat.  [default: architecture, or depth where no architecture has enough models]",
        ),
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option("--quality", envvar="GATE_QUALITY", help="What to predict: a run metric or a column."),
    ] = None,
    training_quality: Annotated[
        str | None,
        typer.Option(
            "--training-quality", envvar="GATE_TRAINING_QUALITY", help="The same on the training data."
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
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", "-m", envvar="GATE_METRIC", help="Study this one; may repeat.  [default: all]"
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table", envvar="GATE_TABLE", help="A CSV of what is known of the models, a row for each."
        ),
    ] = None,
    min_group: Annotated[
        int,
        typer.Option(
            "--min-group", min=3, envvar="GATE_MIN_GROUP", help="Smallest sub-group with figures of its own."
        ),
    ] = 5,
    format_name: Annotated[list[str] | None, options.formats("text, json, csv, markdown or html")] = None,
    output: options.Outputs = None,
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
    """Find which metrics predict quality, within sub-groups and over all, and so may gate what.

    Reads models and runs, writes nothing to the registry.
    """
    from gate.study.formats import study_format_name  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.study.interface import StudySettings  # noqa: PLC0415
    from gate.workflow.measure import MeasureOptions  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415
    from gate.workflow.study import StudyRequest  # noqa: PLC0415
    from gate.workflow.study_choices import quality_direction  # noqa: PLC0415

    chosen = [
        (_format(each.format_name, each.path), each)
        for each in targets(format_name, output, study_format_name)
    ]
    request = StudyRequest(
        sources=tuple(sources),
        settings=StudySettings(min_group=min_group, seed=seed),
        group=tuple(group or ()),
        quality=quality,
        training_quality=training_quality,
        quality_better=quality_direction(better),
        metrics=tuple(metric or ()),
        table=table,
        options=MeasureOptions(convention, full, jobs, seed, float32, executor, cache),
        address=RegistryAddress(tracking_uri, registry_uri),
    )
    result = _studied(request, quiet=quiet)
    deliver_all((form.study(result), target) for form, target in chosen)


def _studied(request: StudyRequest, *, quiet: bool) -> Study:
    """Run the study with a bar, and say on stderr what a pipe would hide."""
    from gate.workflow.study import run_study  # noqa: PLC0415 - as above

    with progress(quiet=quiet) as report:
        tell = None if quiet else lambda note: say(f"gate: {note}")
        result = run_study(request, report, tell)
    if result.left_out and not quiet:
        number = len(result.left_out)
        say(f"gate: {number} {'model' if number == 1 else 'models'} left out, each named with its reason")
    return result


def _format(name: str, output: Path | None) -> StudyFormat:
    """Return a format set up for where it goes: colour and width only on a terminal."""
    from gate.study.formats import study_format, study_format_name  # noqa: PLC0415 - as above

    known = study_format_name(name)
    if output is not None or not seen(sys.stdout):
        return study_format(known)
    width = max(60, shutil.get_terminal_size().columns)
    return study_format(known, color="NO_COLOR" not in os.environ, width=width)
