"""``gate doctor``: whether everything is here that the gate needs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gate.cli import options
from gate.cli.console import deliver
from gate.errors import ExitCode, UsageError


def doctor(
    *,
    tracking_uri: options.TrackingUri = None,
    registry_uri: options.RegistryUri = None,
    format_name: Annotated[
        str, typer.Option("--format", "-f", envvar="GATE_FORMAT", help="text or json.")
    ] = "text",
) -> None:
    """Examine this machine: packages, solver, policies, disk, and the registry if one is configured."""
    from gate.workflow.doctor import examine  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415

    if format_name not in {"text", "json"}:
        raise UsageError(f"--format takes text or json, not {format_name!r}")
    findings = examine(RegistryAddress(tracking_uri, registry_uri))
    if format_name == "json":
        deliver(json.dumps([finding.as_dict() for finding in findings], indent=2), None, "json")
    else:
        lines = [f"{finding.state:<7} {finding.subject:<20} {finding.detail}" for finding in findings]
        lines += [f"        {finding.subject}: {finding.hint}" for finding in findings if finding.hint]
        deliver("\n".join(lines), None)
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(int(ExitCode.FAILED))
