"""A third party's reader, whose faults are told from ours (docs/how-to/plugins.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.errors import GateError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from gate.plugins import Plugin
    from gate.weights.interface import ModelWeights


@dataclass(frozen=True, slots=True)
class PluginReader:
    """Calls the reader that a plugin offers; whatever it raises becomes a :class:`ModelError`."""

    plugin: Plugin

    @property
    def format(self) -> str:
        """Identifier shown as ``source.format``."""
        return str(self.plugin.load().format)

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How the files it reads are named, case-folded; empty when it does not say."""
        return tuple(str(suffix).casefold() for suffix in getattr(self.plugin.load(), "suffixes", ()))

    def declares(self, name: str) -> bool:
        """Tell whether ``name`` ends in one of its suffixes."""
        return name.casefold().endswith(self.suffixes)

    def matches(self, path: Path) -> bool:
        """Ask it whether to read ``path``."""
        try:
            return bool(self.plugin.load().matches(path))
        except Exception as error:
            raise self._failed(path, error) from error

    def read(self, path: Path, *, root: Path) -> ModelWeights:
        """Let it list the weights of ``path``."""
        try:
            weights: ModelWeights = self.plugin.load().read(path, root=root)
        except GateError:
            raise
        except Exception as error:
            raise self._failed(path, error) from error
        return weights

    def _failed(self, path: Path, error: Exception) -> ModelError:
        return ModelError(
            f"the reader {self.plugin.identity} failed on {path.name!r}: {type(error).__name__}: {error}",
            hint=f"Report it to the authors of {self.plugin.distribution}, or leave it out of GATE_PLUGINS.",
        )
