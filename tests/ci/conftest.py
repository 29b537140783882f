from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.workflow.demo import damaged_copy
from tests.cli.command import environment
from tests.models import fetch

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "ci" / "gate-check.sh"
_OF_CI = ("GITHUB_", "RUNNER_", "CI_", "AGENT_", "BUILD_", "TF_BUILD", "WORKSPACE")


def ci_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """An environment without a CI system's variables but those given; ``gate`` is on its PATH."""
    clean = {key: value for key, value in environment().items() if not key.startswith(_OF_CI)}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return {**clean, **changes}


@dataclass(frozen=True)
class Models:
    """A real model and a damaged copy of it."""

    sound: Path
    damaged: Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    sound = fetch("silero-vad", "6.2.0", "silero_vad/data/silero_vad.onnx")
    return Models(sound, damaged_copy(sound, tmp_path_factory.mktemp("damaged") / "model.onnx")[0])


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the wheel that users install."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), "."]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder
