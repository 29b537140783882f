"""``gate demo``: the main job on real models, against an MLflow of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gate.cli import options
from gate.cli.console import deliver


def demo(
    *,
    directory: Annotated[
        Path,
        typer.Option(
            "--directory", "-d", envvar="GATE_DEMO_DIRECTORY", help="Where the demo's MLflow lives."
        ),
    ] = Path(".demo"),
    jobs: options.Jobs = None,
) -> None:
    """Register three real releases of a model and a damaged one; check and promote each.

    Real files (silero-vad 5.1, 6.0.0 and 6.2.0, from their packages, pinned by hash), a real
    registry (SQLite and local files in the directory), the packaged default policy.
    """
    from gate.workflow.demo import run_demo  # noqa: PLC0415 - keeps `gate --help` fast

    for line in run_demo(directory, jobs=jobs):
        deliver(line, None)
