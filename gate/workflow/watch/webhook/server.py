"""Running the HTTP application in a thread beside the watcher, and subscribing to MLflow's webhooks."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING, Final

from gate.errors import RegistryError, UsageError
from gate.workflow.watch.agenda import Backoff
from gate.workflow.watch.logs import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.errors import GateError
    from gate.workflow.watch.interface import WebhookRequest
    from gate.workflow.watch.watcher import Watcher

_ENDING: Final = 5
_IDLE: Final = 30
_MOST_AT_ONCE: Final = 64
_BACKLOG: Final = 128
_UNINSTALLED: Final = Backoff(2.0, 60.0)


@contextlib.contextmanager
def listening(webhook: WebhookRequest, watcher: Watcher) -> Iterator[None]:
    """Serve, and subscribe where that is wanted, for the length of the ``with`` block.

    Raises
    ------
    gate.errors.UsageError
        The place to listen at cannot be used.
    """
    stopped = threading.Event()
    with contextlib.ExitStack() as stack:
        if webhook.host is not None:
            stack.enter_context(_serving(webhook, watcher))
        installer = None
        if webhook.install and watcher.request.once:
            _install(webhook, watcher)
        elif webhook.install:
            installer = threading.Thread(
                target=_keep_installing, args=(webhook, watcher, stopped), daemon=True, name="gate-subscribe"
            )
            installer.start()
        try:
            yield
        finally:
            stopped.set()


@contextlib.contextmanager
def _serving(webhook: WebhookRequest, watcher: Watcher) -> Iterator[None]:
    import uvicorn  # noqa: PLC0415 - only a watcher that listens pays for it

    from gate.workflow.watch.webhook.app import application  # noqa: PLC0415 - likewise

    listener = _bind(webhook)
    server = uvicorn.Server(
        uvicorn.Config(
            application(webhook.secret, watcher),
            log_config=None,
            access_log=False,
            log_level="critical",
            lifespan="off",
            limit_concurrency=_MOST_AT_ONCE,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=_ENDING,
            server_header=False,
        )
    )
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, daemon=True, name="gate-webhook"
    )
    thread.start()
    event("listening", host=webhook.host, port=listener.getsockname()[1])
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_ENDING)
        listener.close()


def _bind(webhook: WebhookRequest) -> socket.socket:
    """Take the port before anything else is done, so that one that is taken is told at once."""
    try:
        return socket.create_server(
            (webhook.host or "", webhook.port),
            family=socket.AF_INET6 if ":" in (webhook.host or "") else socket.AF_INET,
            backlog=_BACKLOG,
        )
    except OSError as error:
        raise UsageError(
            f"cannot listen at {webhook.host}:{webhook.port}: {error.strerror}",
            hint="Is another watcher running there? Choose another --webhook HOST:PORT.",
        ) from error


def _install(webhook: WebhookRequest, watcher: Watcher) -> None:
    from gate.registry.webhooks import subscribe  # noqa: PLC0415 - imports mlflow
    from gate.workflow.sources import connect  # noqa: PLC0415 - likewise
    from gate.workflow.watch.webhook.deliveries import EVENTS  # noqa: PLC0415 - likewise

    connection = connect(watcher.request.address).connection
    done = subscribe(connection, webhook.url or "", EVENTS, webhook.secret.decode())
    event("subscribed", url=webhook.url, subscription=done)


def _keep_installing(webhook: WebhookRequest, watcher: Watcher, stopped: threading.Event) -> None:
    """Subscribe as soon as the registry lets us: it may still be starting."""
    failures = 0
    while not stopped.is_set() and (error := _try_install(webhook, watcher)) is not None:
        failures += 1
        pause = _UNINSTALLED.pause(failures)
        event("not-subscribed", level=logging.ERROR, error=str(error), hint=error.hint, next_try=pause)
        stopped.wait(pause)


def _try_install(webhook: WebhookRequest, watcher: Watcher) -> GateError | None:
    try:
        _install(webhook, watcher)
    except (RegistryError, UsageError) as error:
        return error
    return None
