"""``gate waive``: let one rule pass for one model, until a moment, with a reason and a name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gate.cli import options
from gate.cli.console import deliver, progress, say
from gate.cli.outputs import destinations


def waive(
    source: options.Source,
    *,
    rule: Annotated[
        str, typer.Option("--rule", envvar="GATE_RULE", help="The rule's id.", show_default=False)
    ],
    reason: Annotated[
        str,
        typer.Option(
            "--reason", envvar="GATE_REASON", help="Why; every report shows it.", show_default=False
        ),
    ],
    approver: Annotated[
        str,
        typer.Option("--approver", envvar="GATE_APPROVER", help="Who answers for it.", show_default=False),
    ],
    expires: Annotated[
        str,
        typer.Option(
            "--expires",
            envvar="GATE_EXPIRES",
            help="30d, 2026-12-31 (its first second in UTC) or 2026-12-31T12:00:00Z.",
            show_default=False,
        ),
    ],
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            envvar="GATE_WAIVED_POLICY",
            help="The policy's name.  [default: every policy with that rule]",
        ),
    ] = None,
    file: Annotated[
        Path,
        typer.Option(
            "--file", "-o", envvar="GATE_WAIVERS", help="The file to add it to; made where it is missing."
        ),
    ] = Path("waivers.yaml"),
    sign: Annotated[
        bool,
        typer.Option(
            "--sign",
            envvar="GATE_SIGN",
            help="Sign it with the key of the role waive in GATE_SIGNING_KEY or GATE_SIGNING_KEY_FILE.",
        ),
    ] = False,
    tracking_uri: options.TrackingUri = None,
    registry_uri: options.RegistryUri = None,
    quiet: options.Quiet = False,
) -> None:
    """Add a waiver to a file that `gate check --waivers FILE` honours.

    It holds for this rule, this registered model and these very bytes; other bytes need another one.
    """
    from gate.policy.waivers import moment_words  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415
    from gate.workflow.waive import WaiveRequest  # noqa: PLC0415
    from gate.workflow.waive import waive as add  # noqa: PLC0415

    request = WaiveRequest(
        source=source,
        rule=rule,
        reason=reason,
        approver=approver,
        expires=expires,
        file=file,
        policy=policy,
        sign=sign,
        address=RegistryAddress(tracking_uri, registry_uri),
    )
    destinations([file])
    with progress(quiet=quiet) as report:
        result = add(request, report)
    deliver(result.text, file)
    if not quiet:
        waiver = result.waiver
        say(
            f"gate: {waiver.id} in {file}: {waiver.rule} is waived for {waiver.digest[:19]}… "
            f"until {moment_words(waiver.expires)}"
        )
