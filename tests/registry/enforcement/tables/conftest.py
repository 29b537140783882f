from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.registry.enforcement.tables import Database, VersionKey, open_database, upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION = VersionKey("default", "fraud", 1, 1_700_000_000_000)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Callable[[], str]]:
    """Makes empty databases on a real MariaDB, where Debian's mariadb-server is installed."""
    install, server = shutil.which("mariadb-install-db"), shutil.which("mariadbd", path="/usr/sbin:/usr/bin")
    if install is None or server is None:
        pytest.skip("needs mariadb-server")
    folder = Path(tempfile.mkdtemp(prefix="gate-my-"))  # the socket's path must be short
    user = f"--user={os.environ.get('USER') or 'root'}"
    plain = ["--no-defaults", f"--datadir={folder / 'data'}", user]
    log = (folder / "log").open("wb")
    subprocess.run([install, *plain, "--auth-root-authentication-method=normal"], check=True, stdout=log)
    socket = folder / "s"
    process = subprocess.Popen(
        [server, *plain, f"--socket={socket}", "--skip-networking", f"--pid-file={folder / 'pid'}"],
        stderr=log,
        stdout=log,
    )
    names = iter(f"registry_{number}" for number in range(1, 1000))

    def new_database() -> str:
        name = next(names)
        subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={socket}", "-uroot", "-e", f"CREATE DATABASE {name}"],
            check=True,
        )
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={socket}"

    deadline = time.monotonic() + 60
    while not socket.exists():
        assert time.monotonic() < deadline, (folder / "log").read_text()
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.1)
    yield new_database
    process.terminate()
    process.wait(30)
    log.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, on each kind of server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'registry.db'}"
    return str(request.getfixturevalue(request.param)())


@pytest.fixture
def empty(address: str) -> Iterator[Database]:
    """An empty database."""
    database = open_database(f"gate:{address}")
    yield database
    database.engine.dispose()


@pytest.fixture
def database(empty: Database) -> Database:
    """A database with the gate's tables."""
    upgrade(empty.engine)
    return empty


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """The gate's tables on SQLite, for what does not depend on the database."""
    database = open_database(f"sqlite:///{tmp_path / 'registry.db'}")
    upgrade(database.engine)
    yield database
    database.engine.dispose()
