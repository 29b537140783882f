"""``gate analyze``: metrics only, no policy, no registry write."""

from __future__ import annotations

from typing import Annotated

from gate.cli import options
from gate.cli.console import progress, report_format, say
from gate.cli.outputs import deliver_all, targets


def analyze(
    source: options.Source,
    *,
    format_name: Annotated[list[str] | None, options.formats("text, json, csv or html")] = None,
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
    """Measure a model: metrics only, no policy, no registry write."""
    from gate.report import format_name as known  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.measure import MeasureOptions, analyze_source  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415

    chosen = [
        (report_format(each.format_name, each.path), each) for each in targets(format_name, output, known)
    ]
    measure_options = MeasureOptions(convention, full, jobs, seed, float32, executor, cache)
    with progress(quiet=quiet) as report:
        analysis = analyze_source(
            source,
            measure_options,
            RegistryAddress(tracking_uri, registry_uri),
            progress=report,
            tell=None if quiet else lambda note: say(f"gate: {note}"),
        )
    deliver_all((form.analysis(analysis), target) for form, target in chosen)
