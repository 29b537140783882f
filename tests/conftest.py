"""What holds for every test."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.browser import chromium
from tests.mlflow_server import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPARED_WITH = ("torch", "transformers")


# A shell's background job ignores Ctrl-C, and so would every process that a test starts to interrupt it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where CI says that torch or a browser must be there, a test that would skip without fails at once."""
    required = {"GATE_REQUIRE_TORCH": _missing_torch, "GATE_REQUIRE_BROWSER": chromium.missing}
    for variable, missing in required.items():
        if os.environ.get(variable) == "1" and items and missing():
            pytest.exit(f"{variable} is set and these are missing: {', '.join(missing())}", returncode=3)


def _missing_torch() -> list[str]:
    return [name for name in COMPARED_WITH if importlib.util.find_spec(name) is None]


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of one real server for all tests that only need some registry: starting one takes seconds."""
    with running_server(tmp_path_factory.mktemp("mlflow-server")) as address:
        yield address


@pytest.fixture(autouse=True, scope="module")
def mlflow_as_it_was() -> Iterator[None]:
    """Undo what a module tells MLflow: addresses and experiments are the whole process's."""
    before = {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")}
    yield
    if (mlflow := sys.modules.get("mlflow")) is not None and hasattr(mlflow, "set_tracking_uri"):
        mlflow.set_tracking_uri(before.get("MLFLOW_TRACKING_URI"))
        mlflow.set_registry_uri(before.get("MLFLOW_REGISTRY_URI"))
        sys.modules["mlflow.tracking.fluent"]._active_experiment_id = None  # type: ignore[attr-defined]
    for key in [key for key in os.environ if key.startswith("MLFLOW_")]:
        del os.environ[key]
    os.environ.update(before)
