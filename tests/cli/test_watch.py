"""``gate watch`` as it is typed: mistakes, a registry that is not there, and what its settings mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.cli.watch import _bytes, _host_and_port, _seconds
from gate.errors import UsageError
from tests.cli.command import gate
from tests.mlflow_server import free_port

if TYPE_CHECKING:
    from pathlib import Path


def test_mistakes_are_exit_2(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 1\nname: x\nrules: []\n")
    mistakes = {
        ("--every", "soon"): "--every takes a time",
        ("--memory", "1M"): "at least 384M",
        ("--webhook", "8080"): "HOST:PORT",
        ("--webhook", "127.0.0.1:0"): "GATE_WEBHOOK_SECRET",
        ("--policy", str(broken), "--once"): "broken.yaml:3",
        ("--waivers", str(tmp_path / "none.yaml"), "--once"): "none.yaml",
        ("--concurrency", "0"): "--concurrency",
    }
    for arguments, told in mistakes.items():
        done = gate("watch", *arguments, "--tracking-uri", "http://127.0.0.1:1")
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert told in done.stderr


def test_a_registry_that_is_not_there_is_exit_3() -> None:
    quick = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}
    done = gate("watch", "--once", changes=quick)
    assert (done.returncode, done.stdout) == (3, "")
    assert "cannot list the versions of all models" in done.stderr


def test_a_subscription_needs_an_address() -> None:
    done = gate("watch", "--install-webhook", changes={"GATE_WEBHOOK_SECRET": "0123456789abcdef"})
    assert done.returncode == 2
    assert "--webhook-url" in done.stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("30", 30), ("1.5h", 5400), ("2m", 120), ("1d", 86400), (" 7s ", 7)]
)
def test_times(text: str, seconds: float) -> None:
    assert _seconds("--every", text, least=0.0) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1e3", "nan", "1w", "٣s", "9" * 30, "1 s"])
def test_no_times(text: str) -> None:
    with pytest.raises(UsageError, match="--every takes a time"):
        _seconds("--every", text, least=0.0)


def test_sizes_and_places() -> None:
    assert _bytes("4G") == _bytes("4GiB") == 4 << 30
    assert _bytes("512M") == 512 << 20
    assert _host_and_port("[::1]:8080") == ("::1", 8080)
    for address in ("host", ":80", "host:", "host:99999", "host:-1", "host:８０"):
        with pytest.raises(UsageError):
            _host_and_port(address)
