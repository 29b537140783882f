from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from gate.errors import RegistryError, UsageError
from gate.registry import MissingError, RefusedError, Registry
from gate.registry.failures import public_uri
from tests.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.registry.conftest import Place


@pytest.fixture
def stranger() -> Iterator[Callable[[int, str, str], str]]:
    """A server that answers every request the same way and is no MLflow server."""
    servers: list[http.server.HTTPServer] = []

    def start(status: int, body: str, kind: str) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET  # noqa: N815 - the name http.server looks for

            def log_message(self, *args: Any) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://user:secret@127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


HTML = "<html>" + "<p>no such page</p>" * 500
PERMISSION = '{"error_code": "PERMISSION_DENIED", "message": "rule layer-alpha-in-range failed\\nsee run 1"}'
CONFLICT = '{"error_code": "RESOURCE_CONFLICT", "message": "superseded"}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "error", "says", "hint"),
    [
        (404, HTML, "text/html", RegistryError, "404", "the registry you meant"),
        (200, HTML, "text/html", RegistryError, "JSON", "the registry you meant"),
        (401, "who are you", "text/plain", RegistryError, "401", "MLFLOW_TRACKING_USERNAME"),
        (403, "no", "text/plain", RefusedError, "403", "does not allow"),
        (
            403,
            PERMISSION,
            "application/json",
            RefusedError,
            "layer-alpha-in-range failed see run 1",
            "does not allow",
        ),
        (409, CONFLICT, "application/json", RefusedError, "superseded", "check again"),
    ],
)
def test_answers_of_strangers_and_refusals(
    stranger: Callable[[int, str, str], str],
    status: int,
    body: str,
    kind: str,
    error: type[RegistryError],
    says: str,
    hint: str,
) -> None:
    registry = Registry.connect(stranger(status, body, kind))
    for call in (
        lambda: registry.resolve("models:/fraud/1"),
        lambda: registry.set_alias("fraud", "champion", 1),
    ):
        with pytest.raises(error) as caught:
            call()
        assert int(caught.value.exit_code) == 3
        assert says in caught.value.message
        assert hint in (caught.value.hint or "")
        told = caught.value.message + (caught.value.hint or "")
        assert "\n" not in told
        assert "secret" not in told
        assert "<p>" not in told
        assert len(told) < 1000


def test_a_dead_server_is_said_within_seconds() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    script = f"""
from gate.errors import GateError
from gate.registry import Registry
import time
registry = Registry.connect({address!r})
start = time.monotonic()
try:
    registry.resolve("models:/fraud/1")
except GateError as error:
    print(int(error.exit_code), round(time.monotonic() - start), error.hint)
"""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True, env=clean
    )
    code, seconds, hint = done.stdout.split(maxsplit=2)
    assert code == "3"
    assert int(seconds) < 15
    assert address in hint
    assert "MLFLOW_TRACKING_URI" in hint
    assert "Traceback" not in done.stderr


def test_nothing_of_mlflows_chatter_gets_out(server: str, tmp_path: Path) -> None:
    script = f"""
from gate.registry import Registry
for address in ({server!r}, "sqlite:///{tmp_path / "new.db"}"):
    client = Registry.connect(address).connection.client
    experiment = client.create_experiment("chatter " + {str(tmp_path)!r})
    run = client.create_run(experiment).info.run_id
    client.log_metric(run, "alpha", 3.0)
    client.set_terminated(run)
"""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
        env=clean,
        cwd=tmp_path,
    )
    assert done.stdout == ""
    assert done.stderr == ""


@pytest.mark.parametrize("address", ["nonsense://host", "sqlite:////no/such/folder/registry.db"])
def test_addresses_that_cannot_be_used(address: str) -> None:
    with pytest.raises((UsageError, RegistryError)) as caught:
        Registry.connect(address).resolve("models:/fraud/1")
    assert caught.value.hint
    assert "Traceback" not in caught.value.message


def test_addresses_come_from_mlflows_variables(
    server: str, embedded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", embedded)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", server)
    connection = Registry.connect().connection
    assert (connection.tracking_uri, connection.registry_uri) == (embedded, server)
    flagged = Registry.connect(tracking_uri=server, registry_uri=embedded).connection
    assert (flagged.tracking_uri, flagged.registry_uri) == (server, embedded)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI")
    assert Registry.connect(tracking_uri=server).connection.registry_uri == server


def test_importing_the_room_does_not_import_mlflow() -> None:
    script = "import sys, gate.registry; print([name for name in ('mlflow', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_aliases(place: Place, folder: Path, name: str) -> None:
    first, second = place.version(name, folder), place.version(name, folder)
    for version in (first, second, second):
        place.registry.set_alias(name, "champion", version)
        assert place.registry.resolve(f"models:/{name}@champion").version == version
    with pytest.raises(MissingError):
        place.registry.set_alias(name, "champion", 99)
    with pytest.raises(MissingError):
        place.registry.set_alias(f"{name} no", "champion", 1)
    for alias in ("a b", "a/b", "latest", "v2"):
        with pytest.raises(UsageError):
            place.registry.set_alias(name, alias, first)
    assert place.registry.resolve(f"models:/{name}@champion").version == second


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("http://user:secret@host:5000/x", "http://host:5000/x"),
        ("postgresql://u:p%40w@db/mlflow", "postgresql://db/mlflow"),
        ("cannot reach https://t@h and sqlite:////a@b.db", "cannot reach https://h and sqlite:////a@b.db"),
    ],
)
def test_passwords_are_cut_out(uri: str, public: str) -> None:
    assert public_uri(uri) == public


def test_time_is_not_wasted_on_an_answer(stranger: Callable[[int, str, str], str]) -> None:
    start = time.monotonic()
    with pytest.raises(RegistryError):
        Registry.connect(stranger(404, HTML, "text/html")).resolve("models:/fraud/1")
    assert time.monotonic() - start < 5
