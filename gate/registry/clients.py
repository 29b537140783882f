"""The connection to MLflow: which server, how patient, and quiet."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.registry.failures import public_uri, registry_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from typing_extensions import Self

_PATIENCE: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""MLflow's own defaults wait about four minutes for a dead server; a person's settings win."""

_QUIET: Final = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""stdout is data and stderr is for people: MLflow's own links and bars belong on neither."""

PREFIX_VARIABLE: Final = "GATE_TAG_PREFIX"

_PREFIX: Final = re.compile(r"[A-Za-z0-9_][\w. -]{0,99}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Naming:
    """How what the gate writes is called in the registry.

    ``tag_prefix`` goes before every tag (some hosted registries forbid dots); the experiment that
    holds a model's reports is called ``experiment_prefix`` and the model's name.
    """

    tag_prefix: str = "gate."
    experiment_prefix: str = "gate/"

    def __post_init__(self) -> None:
        if not _PREFIX.match(self.tag_prefix):
            raise UsageError(
                f"{self.tag_prefix!r} cannot be the prefix of tags",
                hint="Use letters, digits, dots, dashes and underscores, such as gate. or gate_",
            )

    @classmethod
    def from_environment(cls) -> Self:
        """Return the names with the prefix that ``GATE_TAG_PREFIX`` gives, else the usual ones."""
        prefix = os.environ.get(PREFIX_VARIABLE)
        return cls(prefix) if prefix else cls()

    def tag(self, *parts: str) -> str:
        """Return the full name of a tag; its parts are joined by what the prefix ends with."""
        last = self.tag_prefix[-1]
        return self.tag_prefix + ("." if last.isalnum() else last).join(parts)

    def experiment(self, model: str) -> str:
        """Return the name of the experiment that holds the reports of ``model``."""
        return f"{self.experiment_prefix}{model}"


@dataclass(frozen=True, slots=True)
class Connection:
    """An MLflow client, and where it talks to."""

    client: MlflowClient
    tracking_uri: str
    registry_uri: str
    naming: Naming = field(default_factory=Naming)


def connect(
    tracking_uri: str | None = None, registry_uri: str | None = None, naming: Naming | None = None
) -> Connection:
    """Make a client for the given addresses, else for those of MLflow's own variables.

    Nothing is asked of the server yet.  MLflow has no other way to be told: its retries, timeout
    and chatter are set in this process's environment, where the user has not set them.

    Raises
    ------
    gate.errors.UsageError
        An address has a scheme that MLflow does not know.
    gate.errors.RegistryError
        The store cannot be opened.
    """
    for name, value in {**_PATIENCE, **_QUIET}.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: PLC0415 - takes seconds to import

    _quieten()
    tracking = tracking_uri or mlflow.get_tracking_uri()
    registry = registry_uri or _registry_of(tracking_uri) or mlflow.get_registry_uri()
    with registry_errors("use the registry", registry):
        try:
            client = mlflow.MlflowClient(tracking_uri=tracking, registry_uri=registry)
        except mlflow.exceptions.MlflowException as error:
            raise UsageError(
                f"MLflow cannot use {public_uri(tracking)!r} and {public_uri(registry)!r}: {error.message}",
                hint="An address is http(s)://HOST:PORT, sqlite:///FILE or another database URL.",
            ) from error
    return Connection(client, tracking, registry, naming or Naming.from_environment())


def _registry_of(tracking_uri: str | None) -> str | None:
    """Return the registry that goes with a tracking address given by flag; the flag names both."""
    return (os.environ.get("MLFLOW_REGISTRY_URI") or tracking_uri) if tracking_uri else None


def _quieten() -> None:
    for name in ("mlflow", "alembic"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.getEffectiveLevel(), logging.ERROR))
