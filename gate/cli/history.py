"""``gate history``: every version's decision and metrics, of one model or of all."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gate.cli import options
from gate.cli.console import seen
from gate.cli.outputs import deliver_all, targets
from gate.errors import UsageError
from gate.text import printable

if TYPE_CHECKING:
    from gate.report.history.interface import HistoryFormat


def history(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A registered model.", show_default=False),
    ] = None,
    *,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", envvar="GATE_ALL", help="Every registered model, those that need somebody first."
        ),
    ] = False,
    format_name: Annotated[list[str] | None, options.formats("text, json, csv or html")] = None,
    output: options.Outputs = None,
    tracking_uri: options.TrackingUri = None,
    registry_uri: options.RegistryUri = None,
) -> None:
    """Show every version's decision and metrics, as tables and plots.

    Reads the registry's tags alone, no model and no report; a decision whose tags do not fit
    together is named as not whole.
    """
    from gate.report.history import history_format_name  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.history import registry_history  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415

    if (name is None) != everything:
        raise UsageError(
            "gate history takes either the NAME of a model or --all",
            hint="gate history NAME, or gate history --all",
        )
    if name is not None and name.startswith("models:"):
        bare = name.removeprefix("models:").lstrip("/").partition("/")[0].partition("@")[0]
        raise UsageError(
            f"{printable(name)} is a source, and gate history takes the NAME of a registered model",
            hint=f"gate history {printable(shlex.quote(bare))}" if bare else "gate history --all",
        )
    chosen = [
        (_format(each.format_name, each.path), each)
        for each in targets(format_name, output, history_format_name)
    ]
    found = registry_history(name, RegistryAddress(tracking_uri, registry_uri))
    deliver_all((form.history(found), target) for form, target in chosen)


def _format(name: str, output: Path | None) -> HistoryFormat:
    """Return a format set up for where it goes: colour and width only on a terminal."""
    from gate.report.history import history_format, history_format_name  # noqa: PLC0415 - as above

    known = history_format_name(name)
    if output is not None or not seen(sys.stdout):
        return history_format(known)
    width = max(60, shutil.get_terminal_size().columns)
    return history_format(known, color="NO_COLOR" not in os.environ, width=width)
