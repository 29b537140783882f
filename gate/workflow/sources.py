"""A source, looked up and opened: on disk without MLflow, in a registry through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate.registry import Registry
    from gate.registry.resolve import ResolvedSource


@dataclass(frozen=True, slots=True)
class RegistryAddress:
    """Where the registry is; None means what MLflow's own variables say."""

    tracking_uri: str | None = None
    registry_uri: str | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """A source looked up; ``registry`` is None for a path, which needs no MLflow."""

    resolved: ResolvedSource
    registry: Registry | None

    @property
    def registered(self) -> bool:
        """Whether it is a version of a registered model, where decisions can be recorded."""
        return self.resolved.name is not None


def connect(address: RegistryAddress) -> Registry:
    """Open the registry; imports mlflow, which takes seconds.

    Raises
    ------
    gate.errors.UsageError
        MLflow does not know the kind of address.
    gate.errors.RegistryError
        The store cannot be opened.
    """
    from gate.registry import Registry  # noqa: PLC0415 - imports mlflow

    return Registry.connect(address.tracking_uri, address.registry_uri)


def locate(source: str, address: RegistryAddress) -> Located:
    """Look a source up; MLflow is imported only where the source is not a path.

    Raises
    ------
    gate.errors.UsageError
        It is malformed, or there is no such thing.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    from gate.registry.resolve import resolve  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.registry.source import PathSource, parse_source  # noqa: PLC0415

    parsed = parse_source(source)
    if isinstance(parsed, PathSource):
        return Located(resolve(parsed), None)
    registry = connect(address)
    return Located(registry.resolve(parsed), registry)
