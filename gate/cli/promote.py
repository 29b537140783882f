"""``gate promote``: move an alias to a version that passed."""

from __future__ import annotations

from typing import Annotated

import typer

from gate.cli import options
from gate.cli.console import Outcome, progress, report_format, say
from gate.errors import ExitCode


def promote(
    source: options.Source,
    *,
    alias: Annotated[
        str, typer.Option("--alias", "-a", envvar="GATE_ALIAS", help="The alias to move.", show_default=False)
    ],
    policy: options.Policies = None,
    baseline: options.Baselines = None,
    waivers: options.WaiversFile = None,
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
    """Set an alias on a model version, after checking it if no current decision exists.

    Refuses, with the exit code of the check, when the version is blocked.  A decision made against other
    baselines than those named here is made anew.
    """
    from gate.workflow.check import CheckRequest  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.measure import MeasureOptions  # noqa: PLC0415
    from gate.workflow.promote import promote_version  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415

    request = CheckRequest(
        source=source,
        policies=tuple(policy or ()),
        baselines=tuple(baseline or ()),
        options=MeasureOptions(convention, full, jobs, seed, float32, executor, cache),
        record=True,
        address=RegistryAddress(tracking_uri, registry_uri),
        waivers=waivers,
    )
    with progress(quiet=quiet) as report:
        result = promote_version(request, alias, report)
    if result.verdict is not None and not quiet:
        say(report_format("text", None, people=True).verdict(result.verdict).rstrip("\n"))
    say(f"gate: {result.message}")
    raise Outcome(result.exit_code if result.promoted else result.exit_code or ExitCode.BLOCKED)
