"""``gate policy``: check, describe, explain and test policy files."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gate.cli import options
from gate.cli.console import colored, deliver, progress, write
from gate.cli.outputs import conclude, deliver_each, destination, targets
from gate.cli.policy_push import push
from gate.errors import ExitCode

if TYPE_CHECKING:
    from gate.policy import Policy

app = typer.Typer(
    help="Check, describe, explain and test policy files.", no_args_is_help=True, rich_markup_mode=None
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


@app.command()
def validate(files: Files) -> None:
    """Check policy files; every mistake comes with file, line, column and the fix (exit 2)."""
    from gate.policy import policy_digest  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.text import printable  # noqa: PLC0415

    for policy in _loaded(files):
        digest = policy_digest(policy, "gate-1")
        write(f"{printable(policy.file)}: {policy.name}, {len(policy.rules)} rules, {digest}")


@app.command()
def schema(
    *,
    format_name: Annotated[
        SchemaFormat,
        typer.Option(
            "--format",
            "-f",
            envvar="GATE_SCHEMA_FORMAT",
            help="The schema for editors, or the reference for people.",
        ),
    ] = SchemaFormat.JSON,
    output: options.Output = None,
) -> None:
    """Write the JSON Schema of policy files, or their reference."""
    import json  # noqa: PLC0415 - keeps `gate --help` fast

    from gate.policy.reference import reference  # noqa: PLC0415
    from gate.policy.schema import json_schema  # noqa: PLC0415

    place = destination(output)
    if format_name is SchemaFormat.JSON:
        deliver(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", place, "json")
    else:
        deliver(reference(), place, "markdown")


@app.command()
def explain(files: Files, *, output: options.Output = None) -> None:
    """Say in words what policies ask, of what, and what their metrics cannot see."""
    from gate.policy.explain import explain as in_words  # noqa: PLC0415 - keeps `gate --help` fast

    deliver("\n\n".join(in_words(policy) for policy in _loaded(files)) + "\n", destination(output))


@app.command("test")
def run_tests(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE…]",
            help="Test files, policies with a test file beside them, or folders to search.  [default: .]",
            show_default=False,
        ),
    ] = None,
    *,
    format_name: Annotated[list[str] | None, options.formats("text, json or junit")] = None,
    output: options.Outputs = None,
    convention: options.Convention = "gate-1",
    jobs: options.Jobs = None,
    cache: options.Cache = True,
    quiet: options.Quiet = False,
) -> None:
    """Run the cases written beside policies, in NAME.test.yaml for NAME.yaml.

    Exit codes: 0 every case is as expected, 1 one is not, 2 a file is not valid or there is none.
    """
    from gate.report.policy_tests import known_format, render_tests  # noqa: PLC0415 - as above
    from gate.workflow.measure import MeasureOptions  # noqa: PLC0415
    from gate.workflow.policy_test import run_policy_tests  # noqa: PLC0415

    chosen = targets(format_name, output, known_format)
    measuring = MeasureOptions(convention=convention, jobs=jobs, cache=cache)
    with progress(quiet=quiet) as shown:
        report = run_policy_tests(tuple(files or ()), measuring, shown)
    lost = deliver_each(
        (render_tests(report, known_format(each.format_name), color=colored(each.path)), each)
        for each in chosen
    )
    conclude(ExitCode.PASSED if report.passed else ExitCode.BLOCKED, lost, quiet=quiet)


app.command("push")(push)


def _loaded(files: list[str]) -> tuple[Policy, ...]:
    from gate.policy import load_policies, policy_path  # noqa: PLC0415 - keeps `gate --help` fast

    return load_policies([policy_path(name) for name in files])
