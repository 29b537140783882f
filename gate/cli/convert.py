"""``gate convert``: a saved verdict or analysis in any other format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gate.cli import options
from gate.cli.console import report_format
from gate.cli.outputs import deliver_all, targets
from gate.errors import UsageError


def convert(
    saved: Annotated[
        Path,
        typer.Argument(
            metavar="VERDICT.json",
            help="What gate check or gate analyze wrote with --format json; - is stdin.",
            show_default=False,
        ),
    ],
    *,
    format_name: Annotated[
        list[str] | None,
        options.formats("text, json, csv, junit, sarif, markdown, html, github or gitlab"),
    ] = None,
    output: options.Outputs = None,
) -> None:
    """Render a saved verdict or analysis in another format, byte for byte as the check would have.

    Nothing is measured or judged again; the exit code says only whether it could be rendered.
    """
    from gate.policy.interface import Verdict  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.report import format_name as known  # noqa: PLC0415
    from gate.report import load_report  # noqa: PLC0415

    chosen = [
        (report_format(each.format_name, each.path), each) for each in targets(format_name, output, known)
    ]
    report = load_report(_read(saved))
    deliver_all(
        (form.verdict(report) if isinstance(report, Verdict) else form.analysis(report), target)
        for form, target in chosen
    )


def _read(saved: Path) -> bytes:
    """Return the file's bytes, no more than one past what is accepted.

    Raises
    ------
    gate.errors.UsageError
        It cannot be read.
    """
    from gate.report.json import MAX_BYTES  # noqa: PLC0415 - as above

    try:
        if str(saved) == "-":
            if sys.stdin is None:
                raise UsageError("cannot read -: stdin is closed")
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with saved.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {saved}: {error.strerror}") from error
