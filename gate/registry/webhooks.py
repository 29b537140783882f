"""MLflow's webhook subscription for the watcher: one, by name, made or brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from gate.errors import UsageError
from gate.registry.failures import registry_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow.entities.webhook import Webhook

    from gate.registry.clients import Connection

NAME: Final = "gate-watch"
_DESCRIPTION: Final = "Lets the spectral gate's watcher check new versions at once (gate watch)."


def subscribe(
    connection: Connection, url: str, events: Sequence[str], secret: str
) -> Literal["created", "updated"]:
    """Make MLflow call ``url`` on ``events``, signed with ``secret``.

    There is one subscription per address; one that is there is given the events and the secret
    anew (MLflow tells nobody a secret, so whether it changed cannot be seen) and switched on.

    Raises
    ------
    gate.errors.UsageError
        MLflow does not accept the address, or is too old for webhooks.
    gate.errors.RegistryError
        The registry cannot be reached, or refuses.
    """
    client = connection.client
    if not hasattr(client, "create_webhook"):
        raise UsageError(
            "this MLflow has no webhooks", hint="They come with MLflow 3.3; without them watch by --every."
        )
    with registry_errors("subscribe to the webhooks", connection.registry_uri):
        twins = [hook for hook in _all(connection) if hook.name == NAME and hook.url == url]
        if not twins:
            client.create_webhook(NAME, url, list(events), description=_DESCRIPTION, secret=secret)
            return "created"
        kept, *others = sorted(twins, key=lambda hook: str(hook.webhook_id))
        client.update_webhook(kept.webhook_id, events=list(events), secret=secret, status="ACTIVE")
        for twin in others:  # two watchers that started at the same moment
            client.delete_webhook(twin.webhook_id)
        return "updated"


def _all(connection: Connection) -> Iterator[Webhook]:
    token = None
    while True:
        page = connection.client.list_webhooks(page_token=token)
        yield from page
        token = page.token
        if not token:
            return
