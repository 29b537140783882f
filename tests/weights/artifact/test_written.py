"""Artifacts that MLflow, transformers and torch themselves wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.weights import read_weights

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")


def network() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.ReLU(), torch.nn.Linear(8, 5))


def assert_same(path: Path, state_dict: dict[str, Any]) -> None:
    layers = {layer.tensor: layer for layer in read_weights(path).layers}
    matrices = {name: value for name, value in state_dict.items() if value.ndim > 1}
    assert set(layers) == set(matrices)
    for name, value in matrices.items():
        np.testing.assert_array_equal(layers[name].read(), value.detach().numpy())


@pytest.mark.parametrize("serialization", ["pt2", "pickle"])
def test_what_mlflow_pytorch_wrote_reads_like_the_state_dict(tmp_path: Path, serialization: str) -> None:
    pytorch = pytest.importorskip("mlflow.pytorch")
    model = network()
    pytorch.save_model(
        model,
        tmp_path / "model",
        serialization_format=serialization,
        input_example=np.zeros((2, 12), np.float32),
        pip_requirements=["torch"],
    )
    assert_same(tmp_path / "model", model.state_dict())


def test_what_mlflow_transformers_wrote_reads_like_the_state_dict(tmp_path: Path) -> None:
    flavour = pytest.importorskip("mlflow.transformers")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    unknown = "[UNK]"
    words = tokenizers.models.WordLevel({"a": 0, unknown: 1}, unk_token=unknown)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(words), unk_token=unknown, pad_token=unknown
    )
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, vocab_size=30
    )
    model = transformers.BertForSequenceClassification(config)
    flavour.save_model(
        {"model": model, "tokenizer": tokenizer},
        tmp_path / "model",
        task="text-classification",
        pip_requirements=["transformers"],
    )
    assert_same(tmp_path / "model", model.state_dict())
    kinds = {layer.name: layer.kind for layer in read_weights(tmp_path / "model").layers}
    assert kinds["bert.embeddings.word_embeddings"] == "embedding"
    assert kinds["bert.encoder.layer.0.attention.self.query"] == "dense"


def test_shards_that_transformers_wrote_read_like_the_state_dict(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, vocab_size=30
    )
    model = transformers.BertModel(config)
    model.save_pretrained(tmp_path, max_shard_size="8KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    assert_same(tmp_path, model.state_dict())


def test_pickled_shards_behind_an_index_read_like_the_state_dict(tmp_path: Path) -> None:
    state_dict = network().state_dict()
    weight_map: dict[str, str] = {}
    for number, name in enumerate(("0", "2"), 1):
        shard = f"pytorch_model-0000{number}-of-00002.bin"
        part = {key: value for key, value in state_dict.items() if key.startswith(name)}
        torch.save(part, tmp_path / shard)
        weight_map |= dict.fromkeys(part, shard)
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert_same(tmp_path, state_dict)
    assert read_weights(tmp_path).format == "pytorch-zip"
