from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.workflow.watch.registry import Models, write_policy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return write_policy(tmp_path / "norm.yaml")


@pytest.fixture
def models(mlflow_server: str, tmp_path: Path) -> Models:
    return Models(mlflow_server, tmp_path / "models")
