"""``gate policy``: check, describe and explain policy files."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gate.cli.console import deliver

if TYPE_CHECKING:
    from gate.policy import Policy

app = typer.Typer(
    help="Check, describe and explain policy files.", no_args_is_help=True, rich_markup_mode=None
)


class SchemaFormat(str, Enum):
    """What ``gate policy schema`` writes."""

    JSON = "json"
    MARKDOWN = "markdown"


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…", help="Policy files, or names of packaged policies: default, strict, llm."
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", envvar="GATE_OUTPUT", help="Write here; - is stdout.")
]


@app.command()
def validate(files: Files) -> None:
    """Check policy files; every mistake comes with file, line, column and the fix (exit 2)."""
    from gate.policy import policy_digest  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.text import printable  # noqa: PLC0415

    for policy in _loaded(files):
        digest = policy_digest(policy, "gate-1")
        typer.echo(f"{printable(policy.file)}: {policy.name}, {len(policy.rules)} rules, {digest}")


@app.command()
def schema(
    *,
    format_name: Annotated[
        SchemaFormat,
        typer.Option("--format", "-f", help="The schema for editors, or the reference for people."),
    ] = SchemaFormat.JSON,
    output: Output = None,
) -> None:
    """Write the JSON Schema of policy files, or their reference."""
    import json  # noqa: PLC0415 - keeps `gate --help` fast

    from gate.policy.reference import reference  # noqa: PLC0415
    from gate.policy.schema import json_schema  # noqa: PLC0415

    if format_name is SchemaFormat.JSON:
        deliver(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", output)
    else:
        deliver(reference(), output)


@app.command()
def explain(files: Files, *, output: Output = None) -> None:
    """Say in words what policies ask, of what, and what their metrics cannot see."""
    from gate.policy.explain import explain as in_words  # noqa: PLC0415 - keeps `gate --help` fast

    deliver("\n\n".join(in_words(policy) for policy in _loaded(files)) + "\n", output)


def _loaded(files: list[str]) -> tuple[Policy, ...]:
    from gate.policy import load_policies, policy_path  # noqa: PLC0415 - keeps `gate --help` fast

    return load_policies([policy_path(name) for name in files])
