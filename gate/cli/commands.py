"""The commands; each is imported when it is asked for, so that none pays for the others."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

_VERBS: Final = (
    "analyze",
    "check",
    "promote",
    "compare",
    "convert",
    "history",
    "study",
    "calibrate",
    "waive",
    "override",
    "verify",
    "watch",
    "init",
    "doctor",
    "demo",
)
"""Each is a function in the module of its name, in the order in which help lists them."""

_GROUPS: Final = ("policy", "keys", "db")
"""Each is a Typer application in the module of its name; help lists them last."""


def add_commands(app: typer.Typer, words: Sequence[str] | None) -> None:
    """Add to ``app`` the command that ``words`` begin with; where they begin with none, every command."""
    chosen = words[0] if words else None
    if chosen not in {*_VERBS, *_GROUPS}:
        chosen = None
    for name in _VERBS:
        if chosen in {None, name}:
            app.command(name)(getattr(import_module(f"gate.cli.{name}"), name))
    for name in _GROUPS:
        if chosen in {None, name}:
            app.add_typer(import_module(f"gate.cli.{name}").app, name=name)
