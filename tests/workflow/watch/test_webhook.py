"""What the webhook server answers, over real HTTP, to MLflow and to strangers."""

from __future__ import annotations

import json
import select
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from mlflow.webhooks.delivery import _generate_hmac_signature

from gate.errors import UsageError
from gate.workflow.watch.interface import WatchRequest, WebhookRequest
from gate.workflow.watch.watcher import Watcher
from gate.workflow.watch.webhook import listening, webhook_secret
from gate.workflow.watch.webhook.app import LARGEST_BODY
from gate.workflow.watch.webhook.deliveries import TOLERANCE, Seen, parse
from tests.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of these tests alone
STRANGERS = "another secret of somebody"


class Hook:
    """A watcher that only listens, and MLflow's side of the wire."""

    def __init__(self, watcher: Watcher, port: int) -> None:
        self.watcher, self.port = watcher, port
        self.address = f"http://127.0.0.1:{port}"

    @property
    def hints(self) -> dict[str, bool]:
        return self.watcher._hints

    def send(
        self,
        body: str,
        *,
        secret: str = SECRET,
        delivery: str | None = None,
        moment: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> int:
        delivery = delivery or str(uuid.uuid4())
        timestamp = str(int(time.time() if moment is None else moment))
        signed = {
            "X-MLflow-Delivery-Id": delivery,
            "X-MLflow-Timestamp": timestamp,
            "X-MLflow-Signature": _generate_hmac_signature(secret, delivery, timestamp, body),
        }
        return requests.post(
            f"{self.address}/webhook", data=body.encode(), headers={**signed, **(headers or {})}, timeout=10
        ).status_code


@pytest.fixture(scope="module")
def serving() -> Iterator[Hook]:
    port = free_port()
    watcher = Watcher(WatchRequest())
    with listening(WebhookRequest(SECRET.encode(), "127.0.0.1", port), watcher):
        yield Hook(watcher, port)


@pytest.fixture
def hook(serving: Hook) -> Hook:
    serving.hints.clear()
    return serving


def created(name: str = "fraud", event: str = "model_version.created", **data: Any) -> str:
    entity, action = event.split(".")
    payload = {"name": name, "version": "1", **data}
    return json.dumps({"entity": entity, "action": action, "timestamp": "2026", "data": payload})


def test_what_mlflow_signed_is_followed(hook: Hook) -> None:
    assert hook.send(created("Ünïcode 'model'")) == 200
    assert hook.hints == {"Ünïcode 'model'": False}
    assert hook.send(created("other", "model_version_alias.created", alias="champion")) == 200
    assert hook.hints["other"] is True


def test_a_wrong_signature_is_refused(hook: Hook) -> None:
    assert hook.send(created(), secret=STRANGERS) == 401
    for header in ("", "v1,", "v1,AAAA", "v2,AAAA", "v1," + "A" * 600, "\xff\xfe"):
        assert hook.send(created(), headers={"X-MLflow-Signature": header}) == 401
    assert requests.post(f"{hook.address}/webhook", data=created(), timeout=10).status_code == 401
    assert not hook.hints


def test_what_is_signed_is_the_id_and_the_time_too(hook: Hook) -> None:
    assert hook.send(created(), headers={"X-MLflow-Delivery-Id": "another"}) == 401
    assert hook.send(created(), headers={"X-MLflow-Timestamp": str(int(time.time()) + 1)}) == 401
    assert not hook.hints


@pytest.mark.parametrize("shift", [-TOLERANCE - 60, TOLERANCE + 60, -1e9])
def test_an_old_timestamp_is_refused(hook: Hook, shift: float) -> None:
    assert hook.send(created(), moment=time.time() + shift) == 401
    assert not hook.hints


def test_a_replay_is_answered_and_ignored(hook: Hook) -> None:
    assert hook.send(created(), delivery="once") == 200
    hook.hints.clear()
    assert hook.send(created(), delivery="once") == 200
    assert not hook.hints


@pytest.mark.parametrize(
    "event", ["model_version_tag.set", "model_version_tag.deleted", "registered_model.created", "x.y"]
)
def test_other_events_and_our_own_tags_are_ignored(hook: Hook, event: str) -> None:
    assert hook.send(created("fraud", event, key="gate.outcome", value="passed")) == 200
    assert not hook.hints


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{",
        '"text"',
        "[" * 100_000,
        '{"entity": "model_version", "action": "created"}',
        '{"entity": "model_version", "action": "created", "data": []}',
        '{"entity": ["model_version"], "action": "created", "data": {"name": "m"}}',
        '{"entity": "model_version", "action": "created", "data": {"name": 1}}',
        '{"entity": "model_version", "action": "created", "data": {"name": ""}}',
        json.dumps({"entity": "model_version", "action": "created", "data": {"name": "m" * 300}}),
        '{"entity": "model_version", "action": "created", "data": {"name": ' + "9" * 5000 + "}}",
    ],
)
def test_hostile_bodies_are_told_apart(hook: Hook, body: str) -> None:
    assert hook.send(body) == 400
    assert not hook.hints


def test_a_body_too_large_is_refused_by_what_it_says_it_is(hook: Hook) -> None:
    with socket.create_connection(("127.0.0.1", hook.port), timeout=10) as link:
        link.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        assert b" 413 " in link.recv(200)  # nothing of it was sent


def test_a_body_without_a_length_is_read_no_further_than_the_limit(hook: Hook) -> None:
    with socket.create_connection(("127.0.0.1", hook.port), timeout=10) as link:
        link.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        sent = 0
        while not select.select([link], [], [], 0)[0] and sent < 64 * LARGEST_BODY:
            link.sendall(chunk)
            sent += 0x4000
        answer = link.recv(200)
    assert b" 413 " in answer
    assert not hook.hints


def test_other_methods_and_paths_are_not_there(hook: Hook) -> None:
    assert requests.get(f"{hook.address}/webhook", timeout=10).status_code == 405
    for path in ("/", "/docs", "/openapi.json", "/webhook/../metrics/x"):
        assert requests.get(f"{hook.address}{path}", timeout=10).status_code == 404


def test_health_and_figures(hook: Hook) -> None:
    assert requests.get(f"{hook.address}/healthz", timeout=10).status_code == 503  # its loop never ran
    assert requests.get(f"{hook.address}/readyz", timeout=10).status_code == 503
    hook.send(created(), secret=STRANGERS)
    text = requests.get(f"{hook.address}/metrics", timeout=10).text
    assert 'gate_watch_webhooks_total{result="unsigned"}' in text
    for name in (
        "waiting",
        "running",
        "oldest_waiting_seconds",
        "registry_errors_total",
        "check_seconds_sum",
    ):
        assert f"gate_watch_{name}" in text


def test_a_port_that_is_taken_is_told(hook: Hook) -> None:
    taken = WebhookRequest(SECRET.encode(), "127.0.0.1", hook.port)
    with pytest.raises(UsageError, match="cannot listen"), listening(taken, hook.watcher):
        pass


def test_deliveries_are_forgotten_when_their_time_is_refused_anyway() -> None:
    seen = Seen()
    assert not seen.before(b"a", 0.0)
    assert seen.before(b"a", TOLERANCE)
    for number in range(20_000):
        seen.before(str(number).encode(), TOLERANCE)
    assert len(seen._times) <= 10_000
    seen.before(b"b", 10 * TOLERANCE)
    assert len(seen._times) == 1


def test_numbers_without_end_do_not_hold_the_parser_up() -> None:
    assert parse(b'{"data": {"name": ' + b"9" * 200_000 + b"}}") is None


def test_the_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("GATE_WEBHOOK_SECRET", "GATE_WEBHOOK_SECRET_FILE"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UsageError, match="need a secret"):
        webhook_secret()
    file = tmp_path / "secret"
    monkeypatch.setenv("GATE_WEBHOOK_SECRET_FILE", str(file))
    with pytest.raises(UsageError, match="cannot read"):
        webhook_secret()
    file.write_text(f"{SECRET}\n")
    assert webhook_secret() == SECRET.encode()
    monkeypatch.setenv("GATE_WEBHOOK_SECRET", "short")
    with pytest.raises(UsageError, match="fewer than 16"):
        webhook_secret()
    assert SECRET not in repr(WebhookRequest(SECRET.encode()))
