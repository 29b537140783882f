"""``gate verify``: whether the signed decision holds, for this version and these files."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gate.cli import options
from gate.cli.console import say
from gate.cli.outputs import conclude, deliver_each, targets
from gate.errors import ExitCode


class VerificationFormat(str, Enum):
    """How ``gate verify`` says it."""

    TEXT = "text"
    JSON = "json"


def verify(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="models:/NAME/V or models:/NAME@alias; left out to verify from files alone.",
            show_default=False,
        ),
    ] = None,
    *,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            "-k",
            envvar="GATE_TRUSTED_KEYS",
            help="File or folder of trusted keys.",
            show_default=False,
        ),
    ] = None,
    policy: Annotated[
        list[Path] | None,
        typer.Option(
            "--policy",
            "-p",
            envvar="GATE_POLICY",
            help="A policy that must have decided, as it is now; may repeat.  "
            "[default: those that the registry enforces, else whatever decided]",
        ),
    ] = None,
    envelope: Annotated[
        Path | None,
        typer.Option(
            "--envelope",
            envvar="GATE_ENVELOPE",
            help="File of signed decisions, in the place of the registry's.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            envvar="GATE_VERIFIED_MODEL",
            help="Folder or file to hash, in the place of the registry's.",
        ),
    ] = None,
    verdict: Annotated[
        Path | None,
        typer.Option(
            "--verdict",
            envvar="GATE_VERDICT",
            help="A verdict.json that must be the one that was decided by.",
        ),
    ] = None,
    format_name: Annotated[list[VerificationFormat] | None, options.formats("For people or programs")] = None,
    output: options.Outputs = None,
    tracking_uri: options.TrackingUri = None,
    registry_uri: options.RegistryUri = None,
    quiet: options.Quiet = False,
) -> None:
    """Verify the signed decisions on a model version: signature, version, files, policy, validity.

    Exit codes: 0 it holds and passed, 1 it holds and failed, 3 it cannot be verified or does not hold.
    From files alone: gate verify --envelope verdict.intoto.jsonl --model FOLDER --keys KEYS.
    """
    from gate.report.verification import render_verification  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415
    from gate.workflow.verify import VerifyRequest, verify_decisions  # noqa: PLC0415

    request = VerifyRequest(
        source=source,
        keys=keys,
        policies=tuple(policy or ()),
        envelope=envelope,
        model=model,
        verdict=verdict,
        address=RegistryAddress(tracking_uri, registry_uri),
    )
    chosen = targets([each.value for each in format_name or ()], output, str)
    found = verify_decisions(request)
    lost = deliver_each(
        (render_verification(found, "json" if each.format_name == "json" else "text"), each)
        for each in chosen
    )
    if not found.valid and not quiet:
        for why in found.failures():
            say(f"gate: {why}")
    codes = {(True, True): ExitCode.PASSED, (True, False): ExitCode.BLOCKED}
    conclude(codes.get((found.valid, found.passed), ExitCode.FAILED), lost, quiet=quiet)
