"""Readers, metrics and formats of third parties: off unless they are named, and then on record.

A package offers one through an entry point of the group ``gate.readers``, ``gate.metrics`` or
``gate.formats``.  It is used only when ``GATE_PLUGINS`` names it, as ``readers:NAME``,
``metrics:NAME`` or ``formats:NAME``, several apart by commas: whoever can install a package beside
the gate must not thereby change what it decides.  Its distribution and version are part of every
result it had a part in.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from gate.errors import UsageError
from gate.text import printable

if TYPE_CHECKING:
    from importlib import metadata

Family = Literal["readers", "metrics", "formats"]

SETTING: Final = "GATE_PLUGINS"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point that is in use; ``identity`` is what results say of it."""

    family: Family
    name: str
    distribution: str
    version: str

    @property
    def identity(self) -> str:
        """Return ``FAMILY:NAME (DISTRIBUTION VERSION)``."""
        return f"{self.family}:{self.name} ({self.distribution} {self.version})"

    def load(self) -> Any:
        """Import it and return the object, made without arguments where it is a class.

        Raises
        ------
        gate.errors.UsageError
            It cannot be imported, or another version is installed here than the one asked for.
        """
        return _load(self)


def enabled(family: Family) -> tuple[Plugin, ...]:
    """Return the plugins of a family that the setting names, in its order.

    Raises
    ------
    gate.errors.UsageError
        The setting names a family or a plugin that there is not, or two packages offer the name.
    """
    return tuple(plugin for plugin in _named(os.environ.get(SETTING, "")) if plugin.family == family)


def identities() -> list[str]:
    """Return what results say of the plugins in use, sorted; formats change no result."""
    return sorted(
        plugin.identity for plugin in _named(os.environ.get(SETTING, "")) if plugin.family != "formats"
    )


@cache
def _named(setting: str) -> tuple[Plugin, ...]:
    words = dict.fromkeys(word.strip() for word in setting.split(",") if word.strip())
    return tuple(_find(word) for word in words)


def _find(word: str) -> Plugin:
    family_name, _, name = word.partition(":")
    family: Family | None = next((known for known in get_args(Family) if known == family_name), None)
    if family is None or not name:
        raise UsageError(
            f"{SETTING} names {printable(word)!r}, which is no plugin",
            hint="Write FAMILY:NAME with one of the families " + ", ".join(get_args(Family)) + ".",
        )
    from importlib import metadata  # noqa: PLC0415 - takes 20 ms, and few name a plugin

    offered = tuple(metadata.entry_points(group=f"gate.{family}"))
    found = {_described(family, entry) for entry in offered if entry.name == name}
    if len(found) == 1:
        return found.pop()
    if found:
        who = ", ".join(sorted(f"{plugin.distribution} {plugin.version}" for plugin in found))
        raise UsageError(f"several packages offer {printable(word)}: {who}", hint="Uninstall all but one.")
    names = ", ".join(sorted({f"{family}:{entry.name}" for entry in offered})) or "none"
    raise UsageError(
        f"{SETTING} names {printable(word)!r}, which no installed package offers",
        hint=f"Installed plugins of that family: {printable(names)}.",
    )


def _described(family: Family, entry: metadata.EntryPoint) -> Plugin:
    distribution = entry.dist
    name, version = (distribution.name, distribution.version) if distribution else ("unknown", "unknown")
    return Plugin(family, entry.name, name, version)


@cache
def _load(plugin: Plugin) -> Any:
    from importlib import metadata  # noqa: PLC0415 - as above

    for entry in metadata.entry_points(group=f"gate.{plugin.family}", name=plugin.name):
        if _described(plugin.family, entry) == plugin:
            try:
                found = entry.load()
            except Exception as error:
                raise UsageError(
                    f"the plugin {plugin.identity} cannot be loaded: {type(error).__name__}: {error}",
                    hint=f"Mend or uninstall {plugin.distribution}, or leave it out of {SETTING}.",
                ) from error
            return found() if isinstance(found, type) else found
    raise UsageError(
        f"the plugin {plugin.identity} is not installed here",
        hint="Every machine that measures needs the same packages in the same versions.",
    )
