"""``gate keys``: which public keys an enforcing registry trusts, with what, and since when no longer."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gate.cli import options
from gate.cli.console import deliver, say, write
from gate.text import printable

if TYPE_CHECKING:
    from gate.registry.enforcement.tables.interface import StoredKey
    from gate.workflow.administer import KeyUse

app = typer.Typer(
    help="Trust, list and revoke the keys that sign decisions.", no_args_is_help=True, rich_markup_mode=None
)

Key = Annotated[str, typer.Argument(metavar="ID", help="The key's id.", show_default=False)]


class ListFormat(str, Enum):
    """What ``gate keys list`` writes."""

    TEXT = "text"
    JSON = "json"


@app.command()
def add(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…", help="Documents with id, role, models and public_key, or folders of them."
        ),
    ],
    *,
    database: options.Database = None,
) -> None:
    """Trust keys, or change what known ones are trusted with; all of the files or none."""
    from gate.workflow.administer import add_keys  # noqa: PLC0415 - keeps `gate --help` fast

    added = add_keys(files, database)
    for key_id in added:
        write(f"trusted: {printable(key_id)}")
    if not added:
        say("nothing to do: these keys are trusted just so already")


@app.command("list")
def list_(
    *,
    format_name: Annotated[
        ListFormat, typer.Option("--format", "-f", envvar="GATE_FORMAT", help="For people or for programs.")
    ] = ListFormat.TEXT,
    database: options.Database = None,
) -> None:
    """List every key, revoked ones too."""
    import json  # noqa: PLC0415 - keeps `gate --help` fast

    from gate.workflow.administer import list_keys  # noqa: PLC0415

    rows = [_row(stored) for stored in list_keys(database)]
    if format_name is ListFormat.JSON:
        deliver(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", None, "json")
        return
    if not rows:
        say("no key is trusted here: `gate init` makes one, `gate keys add` trusts it")
    width = max((len(str(row["id"])) for row in rows), default=0)
    for row in rows:
        models = printable(", ".join(row["models"]))  # type: ignore[arg-type]
        until = f", until {row['not_after']}" if row["not_after"] else ""
        write(f"{row['id']!s:<{width}}  {row['role']!s:<8}  {row['state']}{until}  {models}")


@app.command()
def show(key_id: Key, *, database: options.Database = None) -> None:
    """Write a key's document, as `gate keys add` reads it, and say what in force it signed."""
    from gate.registry.attestation.documents import trusted_key_document  # noqa: PLC0415 - as above
    from gate.registry.enforcement.rulebook import trusted  # noqa: PLC0415
    from gate.workflow.administer import key_state, show_key  # noqa: PLC0415

    found = show_key(key_id, database)
    deliver(trusted_key_document(trusted(found.key)), None)
    say(f"{key_state(found.key)}; {_signed(found)}")


@app.command()
def revoke(
    key_id: Key,
    *,
    since: Annotated[
        int,
        typer.Option(
            "--since",
            envvar="GATE_SINCE",
            min=0,
            metavar="SEQ",
            help="The first decision, by the registry's number, that no longer counts; "
            "0 for all the key ever signed.",
        ),
    ] = 0,
    database: options.Database = None,
) -> None:
    """Trust a key no more; what it signed from --since on must be judged again before a promotion."""
    from gate.workflow.administer import revoke as revoke_key  # noqa: PLC0415 - keeps `gate --help` fast

    revoked = revoke_key(key_id, database, since=since)
    write(f"revoked: {printable(key_id)}, since decision {revoked.key.revoked_since}")
    say(f"decisions in force that no longer count: {len(revoked.stale)}; `gate check` renews them")


def _row(stored: StoredKey) -> dict[str, object]:
    from gate.registry.enforcement.rulebook import moment  # noqa: PLC0415 - as above
    from gate.workflow.administer import key_state  # noqa: PLC0415

    def day(milliseconds: int | None) -> str | None:
        return None if milliseconds is None else moment(milliseconds).isoformat()

    return {
        "id": stored.id,
        "role": stored.role,
        "state": key_state(stored),
        "models": list(stored.models),
        "not_before": day(stored.not_before),
        "not_after": day(stored.not_after),
        "added_at": day(stored.added_at),
        "revoked_at": day(stored.revoked_at),
        "revoked_since": stored.revoked_since,
    }


def _signed(use: KeyUse) -> str:
    newest = f"the registry's newest decision is {use.newest}"
    if not use.signed:
        return f"it signed no decision that is in force; {newest}"
    return f"it signed {len(use.signed)} decisions in force, {use.signed[0]} to {use.signed[-1]}; {newest}"
