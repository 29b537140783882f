"""``gate watch``: keep every version judged."""

from __future__ import annotations

import logging
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from gate.cli import options
from gate.errors import UsageError

if TYPE_CHECKING:
    from gate.workflow.watch import WebhookRequest

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LEAST_MEMORY = 384 << 20
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def watch(
    *,
    every: Annotated[
        str, typer.Option("--every", envvar="GATE_EVERY", help="Pause between two looks: 30s, 5m.")
    ] = "60s",
    once: Annotated[
        bool, typer.Option("--once", envvar="GATE_ONCE", help="One look, do what it finds, and end.")
    ] = False,
    webhook: Annotated[
        str | None,
        typer.Option(
            "--webhook",
            envvar="GATE_WEBHOOK",
            metavar="HOST:PORT",
            help="Also hear MLflow's webhooks here; serves /healthz, /readyz and /metrics too.",
        ),
    ] = None,
    install_webhook: Annotated[
        bool,
        typer.Option(
            "--install-webhook",
            envvar="GATE_INSTALL_WEBHOOK",
            help="Make MLflow send them: create its subscription, or bring it up to date.",
        ),
    ] = False,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            "--webhook-url",
            envvar="GATE_WEBHOOK_URL",
            help="Where MLflow reaches this.  [default: http://HOST:PORT/webhook]",
        ),
    ] = None,
    policy: options.Policies = None,
    waivers: options.WaiversFile = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            envvar="GATE_MODEL",
            metavar="GLOB",
            help="Only registered models of such names; may repeat.  [default: all]",
        ),
    ] = None,
    concurrency: Annotated[
        int,
        typer.Option(
            "--concurrency", min=1, max=64, envvar="GATE_CONCURRENCY", help="Checks at the same time."
        ),
    ] = 2,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            envvar="GATE_MEMORY",
            help="Most memory of one check: 4G.  [default: four fifths of all, shared out]",
        ),
    ] = None,
    timeout: Annotated[
        str, typer.Option("--timeout", envvar="GATE_TIMEOUT", help="Most time of one check.")
    ] = "1h",
    retry_every: Annotated[
        str,
        typer.Option(
            "--retry-every",
            envvar="GATE_RETRY_EVERY",
            help="Pause before a version whose outcome is error is tried again; doubles up to 6h.",
        ),
    ] = "5m",
    rehash_every: Annotated[
        str,
        typer.Option(
            "--rehash-every",
            envvar="GATE_REHASH_EVERY",
            help="How often files of judged versions are hashed again; 0: at every look.",
        ),
    ] = "24h",
    convention: options.Convention = "gate-1",
    full: options.Full = False,
    jobs: options.Jobs = None,
    seed: options.Seed = 0,
    float32: options.Float32 = False,
    executor: options.Executor = "local",
    cache: options.Cache = True,
    tracking_uri: options.TrackingUri = None,
    registry_uri: options.RegistryUri = None,
    quiet: options.Quiet = False,
) -> None:
    """Find registered versions without a current decision and check them, over and over.

    Judges by the policies that the registry enforces, else by those of --policy.  Keeps nothing
    outside the registry: it may be killed at any time, and several may run at once.  Log lines go to
    stderr.  With --once the exit code is 0 when everything found was judged, whatever the outcomes,
    and 3 when something could not be.
    """
    from gate.workflow.measure import MeasureOptions  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415
    from gate.workflow.watch import WatchRequest  # noqa: PLC0415
    from gate.workflow.watch import watch as run  # noqa: PLC0415

    request = WatchRequest(
        policies=tuple(policy or ()),
        waivers=waivers,
        options=MeasureOptions(convention, full, jobs, seed, float32, executor, cache),
        address=RegistryAddress(tracking_uri, registry_uri),
        models=tuple(model or ("*",)),
        every=_seconds("--every", every, least=0.1),
        once=once,
        concurrency=concurrency,
        memory=None if memory is None else _bytes(memory),
        timeout=_seconds("--timeout", timeout, least=1.0),
        retry_every=_seconds("--retry-every", retry_every, least=1.0),
        rehash_every=_seconds("--rehash-every", rehash_every, least=0.0),
    )
    request = replace(request, retry_most=max(request.retry_most, request.retry_every))
    hooked = _webhook(webhook, webhook_url, install=install_webhook)
    _log(quiet=quiet)
    raise typer.Exit(int(run(request, hooked)))


def _seconds(flag: str, text: str, *, least: float) -> float:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)([smhd]?)", text.strip(), re.ASCII)
    seconds = -1.0 if found is None else float(found[1]) * _UNITS[found[2]]
    if seconds < least:
        raise UsageError(
            f"{flag} takes a time of at least {least:g} seconds, not {text!r}",
            hint="Write a number and s, m, h or d, such as 30s or 1.5h.",
        )
    return seconds


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)([KMGT]?)(?:i?B)?", text.strip(), re.ASCII)
    size = 0 if found is None else int(float(found[1]) * _BYTES[found[2]])
    if size < _LEAST_MEMORY:
        raise UsageError(
            f"--memory takes a size of at least 384M, not {text!r}",
            hint="Write a number and M or G, such as 4G; a worker needs some 270M before it reads a model.",
        )
    return size


def _webhook(address: str | None, url: str | None, *, install: bool) -> WebhookRequest | None:
    from gate.workflow.watch import WebhookRequest  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.workflow.watch.webhook import webhook_secret  # noqa: PLC0415

    if address is None and not install:
        return None
    host, port = (None, 0) if address is None else _host_and_port(address)
    if url is None and host is not None:
        url = f"http://{host}:{port}/webhook"
    if install and url is None:
        raise UsageError(
            "--install-webhook needs the address that MLflow is to call",
            hint="Add --webhook HOST:PORT, or --webhook-url http://HOST:PORT/webhook.",
        )
    return WebhookRequest(webhook_secret(), host, port, url, install)


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 <= int(port) < 1 << 16:
        raise UsageError(f"--webhook takes HOST:PORT, not {address!r}", hint="Such as 0.0.0.0:8080.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _log(*, quiet: bool) -> None:
    """Send the watcher's log lines to stderr; with ``--quiet`` the errors alone."""
    from gate.workflow.watch.logs import LOGGER, KeyValueFormatter  # noqa: PLC0415

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.ERROR if quiet else logging.INFO)
    LOGGER.propagate = False
