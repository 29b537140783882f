"""``gate compare``: how two models differ, layer by layer."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from gate.cli import options
from gate.cli.console import colored, progress
from gate.cli.outputs import Target, deliver_all, targets

if TYPE_CHECKING:
    from gate.analysis.comparison import Comparison

_WHAT = "A file or folder, models:/NAME/V, models:/NAME@alias, models:/m-ID or runs:/RUN/path."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_WHAT, show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="The other, likewise.", show_default=False)],
    *,
    format_name: Annotated[list[str] | None, options.formats("text, json, markdown or html")] = None,
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
    """Compare two models: identical, exported again, quantised, pruned, fine-tuned or different.

    Judged by the weights themselves, layer by layer; exits 0 whenever they could be compared.
    """
    from gate.report.compare import compare_format_name  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.compare import compare_sources  # noqa: PLC0415
    from gate.workflow.measure import MeasureOptions  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415

    chosen = targets(format_name, output, compare_format_name)
    measuring = MeasureOptions(convention, full, jobs, seed, float32, executor, cache)
    with progress(quiet=quiet) as report:
        comparison = compare_sources(a, b, measuring, RegistryAddress(tracking_uri, registry_uri), report)
    deliver_all((_rendered(comparison, target), target) for target in chosen)


def _rendered(comparison: Comparison, target: Target) -> str:
    from gate.report.compare import compare_format_name, render_comparison  # noqa: PLC0415 - as above

    shown = colored(target.path)
    width = max(60, shutil.get_terminal_size().columns) if shown else 500
    return render_comparison(comparison, compare_format_name(target.format_name), color=shown, width=width)
