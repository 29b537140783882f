"""``gate override``: break glass, signed, with a reason and an end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gate.cli import options
from gate.cli.console import say


def override(
    source: options.Source,
    *,
    alias: Annotated[
        str, typer.Option("--alias", "-a", envvar="GATE_ALIAS", help="The alias to open.", show_default=False)
    ],
    reason: Annotated[
        str,
        typer.Option(
            "--reason", envvar="GATE_REASON", help="Why; every report shows it.", show_default=False
        ),
    ],
    expires: Annotated[
        str,
        typer.Option(
            "--expires",
            envvar="GATE_EXPIRES",
            help="8h, 30d, 2026-12-31 (its first second in UTC) or 2026-12-31T12:00:00Z.",
            show_default=False,
        ),
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            envvar="GATE_OVERRIDE_KEY_FILE",
            help="Private key of the role override.  [default: GATE_SIGNING_KEY or GATE_SIGNING_KEY_FILE]",
            show_default=False,
        ),
    ] = None,
    tracking_uri: options.TrackingUri = None,
    registry_uri: options.RegistryUri = None,
) -> None:
    """Let an alias go to a version whatever was decided, until a moment: break glass.

    It is signed by a key of the role override, kept with the version, and shown in every report and in
    gate history until it ends.  It moves no alias itself.
    """
    from gate.workflow.override import OverrideRequest, override_version  # noqa: PLC0415 - as elsewhere
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415

    done = override_version(
        OverrideRequest(source, alias, reason, expires, key, RegistryAddress(tracking_uri, registry_uri))
    )
    say(f"gate: {done.words}")
