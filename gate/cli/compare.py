"""``gate compare``: how two models differ, layer by layer."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from gate.cli import options
from gate.cli.console import colored, deliver, progress

_WHAT = "A file or folder, models:/NAME/V, models:/NAME@alias, models:/m-ID or runs:/RUN/path."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_WHAT, show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="The other, likewise.", show_default=False)],
    *,
    format_name: Annotated[
        str, typer.Option("--format", "-f", envvar="GATE_FORMAT", help="text, json, markdown or html.")
    ] = "text",
    output: options.Output = None,
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
    from gate.report.compare import compare_format_name, render_comparison  # noqa: PLC0415 - fast --help
    from gate.workflow.compare import compare_sources  # noqa: PLC0415
    from gate.workflow.measure import MeasureOptions  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415

    chosen = compare_format_name(format_name)
    measuring = MeasureOptions(convention, full, jobs, seed, float32, executor, cache)
    with progress(quiet=quiet) as report:
        comparison = compare_sources(a, b, measuring, RegistryAddress(tracking_uri, registry_uri), report)
    shown = colored(output)
    width = max(60, shutil.get_terminal_size().columns) if shown else 500
    deliver(render_comparison(comparison, chosen, color=shown, width=width), output)
