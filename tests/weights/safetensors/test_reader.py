from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from gate.errors import ModelError, UnsafeModelError
from gate.weights.safetensors import SafetensorsReader
from tests.models import fetch

if TYPE_CHECKING:
    from pathlib import Path

READER = SafetensorsReader()


def tensor(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """Write two shards and their index; return the index."""
    folder = tmp_path / "model"
    folder.mkdir()
    first, second = (
        {"layers.10.weight": tensor(1, 3, 4)},
        {"layers.2.weight": tensor(2, 3, 4), "b": tensor(3, 4)},
    )
    save_file(first, folder / "model-00001-of-00002.safetensors")
    save_file(second, folder / "model-00002-of-00002.safetensors")
    weight_map = dict.fromkeys(first, "model-00001-of-00002.safetensors")
    weight_map |= dict.fromkeys(second, "model-00002-of-00002.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return index


def remap(index: Path, **changes: str | None) -> None:
    content = json.loads(index.read_text())
    for name, shard in changes.items():
        if shard is None:
            del content["weight_map"][name]
        else:
            content["weight_map"][name] = shard
    index.write_text(json.dumps(content))


def test_shards_read_as_one_model_in_natural_order(sharded: Path) -> None:
    weights = READER.read(sharded, root=sharded.parent.parent)
    assert weights.format == "safetensors"
    assert [layer.name for layer in weights.layers] == ["layers.2", "layers.10"]
    np.testing.assert_array_equal(weights.layers[0].read(), tensor(2, 3, 4))
    assert (weights.vectors, weights.vector_parameters) == (1, 4)
    assert weights.files == (
        "model/model.safetensors.index.json",
        "model/model-00001-of-00002.safetensors",
        "model/model-00002-of-00002.safetensors",
    )


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded.parent / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match="model-00002-of-00002"):
        READER.read(sharded, root=sharded.parent)


def test_a_tensor_the_shard_does_not_hold_is_named(sharded: Path) -> None:
    remap(sharded, ghost="model-00001-of-00002.safetensors")
    with pytest.raises(ModelError, match="ghost"):
        READER.read(sharded, root=sharded.parent)


def test_a_tensor_the_index_does_not_list_is_named(sharded: Path) -> None:
    remap(sharded, **{"layers.2.weight": None})
    weights = READER.read(sharded, root=sharded.parent)
    assert [(item.name, item.parameters, item.matrix) for item in weights.skipped] == [
        ("layers.2.weight", 12, True)
    ]


@pytest.mark.parametrize(
    "place", ["../outside.safetensors", "/etc/passwd", "a\\b", "", ".", "x\0y", "a/../../b"]
)
def test_a_shard_outside_the_model_is_not_opened(sharded: Path, place: str) -> None:
    save_file({"b": tensor(3, 4)}, sharded.parent.parent / "outside.safetensors")
    remap(sharded, b=place)
    with pytest.raises(ModelError):
        READER.read(sharded, root=sharded.parent)


def test_a_link_out_of_the_model_is_not_followed(sharded: Path, tmp_path: Path) -> None:
    shard = sharded.parent / "model-00002-of-00002.safetensors"
    shard.rename(tmp_path / "elsewhere.safetensors")
    shard.symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(UnsafeModelError, match="outside"):
        READER.read(sharded, root=sharded.parent)
    assert READER.read(sharded, root=tmp_path).layers


@pytest.mark.parametrize(
    "content", ["{}", '{"weight_map": []}', '{"weight_map": {}}', '{"weight_map": {"a": 1}}', "["]
)
def test_an_index_that_is_none_is_refused(sharded: Path, content: str) -> None:
    sharded.write_text(content)
    with pytest.raises(ModelError):
        READER.read(sharded, root=sharded.parent)


def test_a_file_is_known_by_name_or_by_its_beginning(tmp_path: Path) -> None:
    save_file({"a": tensor(1, 2, 2)}, tmp_path / "weights")
    (tmp_path / "text").write_text("hello, world")
    (tmp_path / "broken.safetensors").write_bytes(b"")
    assert READER.matches(tmp_path / "weights")
    assert READER.matches(tmp_path / "broken.safetensors")
    assert not READER.matches(tmp_path / "text")
    assert not READER.matches(tmp_path / "absent")


@pytest.mark.registry_package
def test_a_real_release_reads_as_the_safetensors_package_reads_it() -> None:
    path = fetch("silero-vad", "6.2.3", "silero_vad/data/silero_vad_16k.safetensors")
    weights = READER.read(path, root=path.parent)
    assert {layer.name: (layer.kind, len(layer.parts)) for layer in weights.layers} == {
        "conv1": ("conv1d", 0),
        "conv2": ("conv1d", 0),
        "conv3": ("conv1d", 0),
        "conv4": ("conv1d", 0),
        "final_conv": ("conv1d", 0),
        "lstm_cell.weight_hh": ("lstm", 4),
        "lstm_cell.weight_ih": ("lstm", 4),
        "stft_conv": ("depthwise", 0),
    }
    with safe_open(path, "numpy") as reference:
        for layer in weights.layers:
            np.testing.assert_array_equal(layer.read(), reference.get_tensor(layer.tensor))
