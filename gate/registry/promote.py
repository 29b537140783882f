"""Moving an alias, the one write that puts a version in front of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.registry.failures import registry_errors
from gate.registry.source import checked_alias
from gate.text import printable

if TYPE_CHECKING:
    from gate.registry.clients import Connection


def set_alias(connection: Connection, name: str, alias: str, version: int) -> None:
    """Point ``alias`` of ``name`` at ``version``, whatever it pointed at before.

    Nothing is judged here: the caller has a decision that allows it.

    Raises
    ------
    gate.errors.UsageError
        MLflow allows no such alias, or there is no such version.
    gate.registry.failures.RefusedError
        The registry refuses (PERMISSION_DENIED, RESOURCE_CONFLICT); its own words are the message.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    checked_alias(alias)
    doing = f"set alias {alias} of {printable(name)} to version {version}"
    with registry_errors(doing, connection.registry_uri):
        connection.client.set_registered_model_alias(name, alias, str(version))
