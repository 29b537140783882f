"""``gate policy push``: put policies in force in an enforcing registry."""

from __future__ import annotations

from typing import Annotated

import typer

from gate.cli import options
from gate.cli.console import say, write


def push(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]", help="Policy files, or names of packaged policies: default, strict, llm."
        ),
    ] = None,
    *,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", envvar="GATE_REPLACE", help="Take out every policy that these files do not name."
        ),
    ] = False,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            "--remove",
            envvar="GATE_REMOVE",
            metavar="NAME",
            help="Take this policy out; may repeat.",
            show_default=False,
        ),
    ] = None,
    database: options.Database = None,
) -> None:
    """Put policies in force in an enforcing registry, all of the files or none; no restart is needed.

    A policy is replaced by one of the same name; decisions under it hold for the new one's grace.
    Nothing but --remove and --replace takes a policy out.
    """
    from gate.policy import policy_path  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.administer import push as push_policies  # noqa: PLC0415

    paths = [policy_path(name) for name in files or ()]
    pushed = push_policies(paths, database, replace=replace, remove=remove or ())
    for name in pushed.removed:
        say(f"taken out: {name}")
    if not pushed.activated and not pushed.removed:
        say("no policy asks anything new")
    for policy in pushed.in_force:
        news = "  (new)" if policy.name in pushed.activated else ""
        write(f"{policy.name}  {policy.digest}{news}")
    if not pushed.in_force:
        say("no policy is in force any more: the registry refuses nothing")
