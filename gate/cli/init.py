"""``gate init``: keys and folders to start with."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gate.cli.console import say, write


class KeyRole(str, Enum):
    """What a key is trusted with."""

    CHECK = "check"
    WAIVE = "waive"
    OVERRIDE = "override"


def init(
    *,
    directory: Annotated[
        Path,
        typer.Option("--directory", "-d", envvar="GATE_DIRECTORY", help="Where; made where it is missing."),
    ] = Path("gate-config"),
    role: Annotated[
        list[KeyRole] | None,
        typer.Option(
            "--role",
            envvar="GATE_ROLE",
            help="What to make a key for: check, waive or override; may repeat.  [default: check]",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            envvar="GATE_KEY_MODELS",
            help="Registered models, as globs, that new keys are trusted for; may repeat.  [default: *]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a signing key, a folder of trusted keys and one of policies; nothing is ever overwritten.

    A private key is locked with GATE_SIGNING_KEY_PASSPHRASE where that is set.
    """
    from gate.workflow.init import initialize, next_steps  # noqa: PLC0415 - keeps `gate --help` fast

    done = initialize(directory, [each.value for each in role or (KeyRole.CHECK,)], tuple(models or ("*",)))
    for name in done.written:
        say(f"gate: wrote {directory / name}")
    for name in done.kept:
        say(f"gate: kept {directory / name}, which was there already")
    write(next_steps(done))
