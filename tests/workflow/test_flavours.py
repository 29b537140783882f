"""What MLflow's own flavours write is read: the same layers as the framework has them.

The models are logged by ``mlflow.*.log_model`` into a real store; the expected weights come from
the framework, not from the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pytest

from gate.weights import read_weights
from gate.weights.arrays import from_arrays
from gate.workflow.measure import MeasureOptions, analyze_source
from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("flavours", (folder / "artifacts").as_uri()))
    yield uri
    mlflow.set_tracking_uri(before)
    mlflow.set_registry_uri(None)


def _network() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 3),
        torch.nn.BatchNorm2d(32),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(32 * 6 * 6, 64),
        torch.nn.Linear(64, 10),
    ).eval()


def _same_figures(source: str, uri: str, expected: dict[str, Any]) -> None:
    """Compare an analysis of ``source`` with one of the framework's own arrays, layer by layer."""
    from gate.analysis import analyze_weights  # noqa: PLC0415
    from gate.analysis.interface import Source  # noqa: PLC0415

    analysis = analyze_source(source, MeasureOptions(), RegistryAddress(uri, uri))
    settings = MeasureOptions().settings()
    wanted = analyze_weights(from_arrays(expected), Source("arrays", "arrays", "", ()), settings)
    found = {row.name: row for row in analysis.layers}
    assert set(found) == {row.name for row in wanted.layers}
    for row in wanted.layers:
        assert found[row.name].kind == row.kind
        assert found[row.name].shape == row.shape
        assert found[row.name].alpha == row.alpha
        assert found[row.name].log_frobenius_norm == row.log_frobenius_norm
    assert analysis.file.unsafe_globals == ()
    assert analysis.coverage.share == 1.0


@pytest.mark.parametrize("serialization", ["pt2", "pickle"])
def test_pytorch(store: str, serialization: str) -> None:
    network = _network()
    example = np.zeros((2, 3, 8, 8), np.float32)
    with mlflow.start_run():
        logged = mlflow.pytorch.log_model(
            network,
            name="model",
            serialization_format=serialization,
            input_example=example,
            pip_requirements=["torch"],
        )
    expected = {name: value.numpy() for name, value in network.state_dict().items()}
    _same_figures(logged.model_uri, store, expected)


def test_onnx(store: str, tmp_path: Path) -> None:
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    rng = np.random.default_rng(0)
    weight = rng.standard_normal((64, 48), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "encoder.weight"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 48])],
        [numpy_helper.from_array(weight, "encoder.weight")],
    )
    with mlflow.start_run():
        logged = mlflow.onnx.log_model(
            helper.make_model(graph), name="model", pip_requirements=["onnxruntime"]
        )
    _same_figures(logged.model_uri, store, {"encoder.weight": weight.T})
    assert onnx.__version__


def test_transformers(store: str) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=120, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96
    )
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config).eval()
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "word": 5}
    import tokenizers  # noqa: PLC0415

    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]")  # noqa: S106
    with mlflow.start_run():
        logged = mlflow.transformers.log_model(
            transformers_model={"model": model, "tokenizer": tokenizer},
            name="model",
            task="text-classification",
            pip_requirements=["transformers", "torch"],
        )
    _same_figures(logged.model_uri, store, {k: v.numpy() for k, v in model.state_dict().items()})


def test_a_whole_module_and_its_state_dict_give_the_same_layers(tmp_path: Path) -> None:
    network = _network()
    torch.save(network, tmp_path / "module.pth")
    torch.save(network.state_dict(), tmp_path / "state.pth")
    whole, state = read_weights(tmp_path / "module.pth"), read_weights(tmp_path / "state.pth")
    described = [(layer.name, layer.kind, layer.shape) for layer in whole.layers]
    assert described == [(layer.name, layer.kind, layer.shape) for layer in state.layers]
    assert len(described) == 3
    for left, right in zip(whole.layers, state.layers, strict=True):
        np.testing.assert_array_equal(left.read(), right.read())
