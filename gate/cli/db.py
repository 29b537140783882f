"""``gate db``: the gate's own tables in the registry's database."""

from __future__ import annotations

from typing import Annotated

import typer

from gate.cli.console import write

app = typer.Typer(
    help="The gate's own tables in the registry's database.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """Keep `upgrade` a command of its own while it is the only one."""


@app.command()
def upgrade(
    database: Annotated[
        str | None,
        typer.Argument(
            metavar="DATABASE-URI",
            envvar="GATE_DATABASE",
            help="The registry's database, as the server has it, with or without gate:; the variable keeps "
            "its password out of the list of processes.",
            show_default=False,
        ),
    ] = None,
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check", envvar="GATE_CHECK", help="Change nothing; exit 3 unless the tables are current."
        ),
    ] = False,
) -> None:
    """Make the tables, or bring them to the version that this program needs.

    Servers do the same when they start. Any number may run at once: a lock of the database orders them.
    """
    from gate.text import printable  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.administer import check_tables, upgrade_tables  # noqa: PLC0415

    done = check_tables(database) if check else upgrade_tables(database)
    what = (
        f"version {done.after}" if done.before == done.after else f"{done.before or 'none'} -> {done.after}"
    )
    write(f"{printable(done.database)}: {what}")
