"""Hearing MLflow's webhooks: a small HTTP server beside the watcher's loop.

In: requests from anybody who can reach the port.  Out: hints to the watcher which model to look at,
answers, and figures.  ``signature`` tells who sent a delivery, ``deliveries`` whether it came before
and what it is about, ``app`` is the HTTP around them, ``server`` runs it, and
:mod:`gate.registry.webhooks` subscribes.

Nothing that a delivery says is believed but the name of a model, and that only makes the watcher
look sooner at what it would see anyway.
"""

from gate.workflow.watch.webhook.server import listening
from gate.workflow.watch.webhook.signature import webhook_secret

__all__ = ["listening", "webhook_secret"]
