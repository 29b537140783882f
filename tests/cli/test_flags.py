"""Every flag has an environment variable, and every variable reaches its flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from gate.cli.main import application

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHOUT = frozenset({"--version", "--help", "--install-completion", "--show-completion", "--cache"})
"""What is no setting; and ``--cache``, whose variable GATE_CACHE holds the folder, or ``off``."""


def _options() -> Iterator[tuple[str, Any]]:
    commands = [("gate", typer.main.get_command(application()))]
    while commands:
        path, command = commands.pop()
        commands += [(f"{path} {name}", child) for name, child in getattr(command, "commands", {}).items()]
        for parameter in command.params:
            if parameter.param_type_name == "option":
                yield path, parameter


def test_every_flag_has_a_variable() -> None:
    flags = [(path, option) for path, option in _options() if not WITHOUT & set(option.opts)]
    assert len(flags) > 150
    missing = [
        f"{path} {option.opts[0]}"
        for path, option in flags
        if not (isinstance(option.envvar, str) and option.envvar.startswith("GATE_"))
    ]
    assert missing == []


def test_no_variable_means_two_things_to_one_command() -> None:
    names = [(path, option.envvar) for path, option in _options() if option.envvar]
    assert len(names) == len(set(names))
