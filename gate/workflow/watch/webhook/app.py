"""The HTTP application: ``POST /webhook``, ``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response

from gate.workflow.watch.logs import event
from gate.workflow.watch.webhook.deliveries import EVENTS, TOLERANCE, Seen, parse
from gate.workflow.watch.webhook.signature import signed

if TYPE_CHECKING:
    from gate.workflow.watch.watcher import Watcher

LARGEST_BODY: Final = 256 * 1024
"""Bytes of a delivery; MLflow's own hold a name, a description and tags."""

_LONGEST_HEADER: Final = 512
_OK, _BAD, _UNSIGNED, _TOO_LARGE, _UNAVAILABLE = 200, 400, 401, 413, 503


class Hooks:
    """What becomes of a delivery."""

    def __init__(self, secret: bytes, watcher: Watcher) -> None:
        self._secret = secret
        self._watcher = watcher
        self._seen = Seen()

    async def receive(self, request: Request) -> Response:
        """Check a delivery, and hint at its model."""
        body = await _body(request)
        if body is None:
            return self._answer("too-large", _TOO_LARGE)
        headers = [request.headers.get(f"x-mlflow-{name}", "").encode() for name in _HEADERS]
        delivery, timestamp, signature = headers
        if any(not value or len(value) > _LONGEST_HEADER for value in headers):
            return self._answer("unsigned", _UNSIGNED)
        if not signed(self._secret, delivery, timestamp, body, signature):
            return self._answer("unsigned", _UNSIGNED)
        now = time.time()
        if not _timely(timestamp, now):
            return self._answer("outdated", _UNSIGNED)
        if self._seen.before(delivery, now):
            return self._answer("replayed", _OK)
        return self._take(body)

    def _take(self, body: bytes) -> Response:
        found = parse(body)
        if found is None:
            return self._answer("malformed", _BAD)
        if found.event not in EVENTS:
            return self._answer("ignored", _OK)
        self._watcher.hint(found.model, promoted=found.event == EVENTS[1])
        return self._answer("accepted", _OK, model=found.model)

    def _answer(self, result: str, status: int, **fields: str) -> Response:
        self._watcher.monitor.webhooks.labels(result).inc()
        event("webhook", level=logging.INFO if status == _OK else logging.WARNING, result=result, **fields)
        return Response(f'{{"result": "{result}"}}\n', status, media_type="application/json")


_HEADERS: Final = ("delivery-id", "timestamp", "signature")


def application(secret: bytes, watcher: Watcher) -> FastAPI:
    """Return the application."""
    app = FastAPI(title="gate watch", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/webhook", Hooks(secret, watcher).receive, methods=["POST"])

    async def healthz() -> Response:
        return _plain("ok", ok=watcher.healthy)

    async def readyz() -> Response:
        return _plain("ready", ok=watcher.healthy and watcher.up_to_date)

    async def metrics() -> Response:
        return Response(watcher.monitor.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for path, answer in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        app.add_api_route(path, answer, methods=["GET"])
    return app


async def _body(request: Request) -> bytes | None:
    """Return the body, or None for one that is, or says it is, too large; no more than that is read."""
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or int(declared) > LARGEST_BODY:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return None
    return bytes(body)


def _timely(timestamp: bytes, now: float) -> bool:
    plain = timestamp.isdigit() and len(timestamp) <= 12  # noqa: PLR2004 - seconds since 1970
    return plain and abs(now - int(timestamp)) <= TOLERANCE


def _plain(text: str, *, ok: bool) -> Response:
    return Response(
        f"{text if ok else f'not {text}'}\n", _OK if ok else _UNAVAILABLE, media_type="text/plain"
    )
