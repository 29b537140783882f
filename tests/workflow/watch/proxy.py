"""A proxy between a watcher and its registry, which counts requests and can fail them."""

from __future__ import annotations

import contextlib
import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


@dataclass
class Proxy:
    """What it does: ``upstream`` None is a server that is down.

    ``status`` may answer a request, by its path, instead of the server.  ``stop_at`` is the number of
    the request that gets no answer any more, nor does any later one; ``reached`` is set when it comes.
    The server hears of it first where ``deliver_last`` says so.
    """

    upstream: str | None
    address: str = ""
    status: Callable[[str], int | None] = lambda _path: None
    requests: int = 0
    stop_at: int | None = None
    deliver_last: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, stop_at: int | None, *, deliver_last: bool = False) -> None:
        """Count from one again, up to ``stop_at``."""
        with self.lock:
            self.requests, self.stop_at, self.deliver_last = 0, stop_at, deliver_last
            self.reached = threading.Event()

    def counted(self) -> int:
        with self.lock:
            self.requests += 1
            return self.requests


@contextlib.contextmanager
def proxied(upstream: str | None) -> Iterator[Proxy]:
    """Run a proxy on a free port of this machine."""
    proxy = Proxy(upstream)

    class Handler(_Handler):
        state = proxy

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: those who ask are killed while they wait for the answer."""


class _Handler(BaseHTTPRequestHandler):
    state: Proxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        state = self.state
        number = state.counted()
        if state.stop_at is not None and number >= state.stop_at:
            if number == state.stop_at and state.deliver_last:
                self._ask(body)
            state.reached.set()
            self.close_connection = True
            return
        status = state.status(self.path)
        if status is not None:
            self._reply(status, [], b"unavailable")
        elif state.upstream is None:
            self.close_connection = True
        else:
            self._reply(*self._ask(body))

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        where = urlsplit(self.state.upstream or "")
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP_BY_HOP}
        try:
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            kept = [pair for pair in response.getheaders() if pair[0].lower() not in _HOP_BY_HOP]
            return response.status, kept, response.read()
        finally:
            connection.close()

    def _reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def __getattr__(self, name: str) -> Any:
        """Serve every method (``do_GET``, ``do_POST``…) alike."""
        if name.startswith("do_"):
            return self._forward
        raise AttributeError(name)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""
