"""Files that torch itself wrote, against torch's own values, bit for bit."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.weights.pytorch import Pt2Reader, PytorchLegacyReader, PytorchZipReader, TorchScriptReader

torch = pytest.importorskip("torch")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gate.weights.interface import ModelWeights, Reader

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def build(name: str) -> Any:
    from tests.weights.pytorch.architectures import ARCHITECTURES  # noqa: PLC0415 - needs torch

    torch.manual_seed(3)
    model: Any = ARCHITECTURES[name]()
    return model.eval()


def save_export(model: Any, path: Path) -> None:
    torch.export.save(torch.export.export(model, model.example), str(path))


FORMS: dict[str, tuple[Reader, Callable[[Any, Path], None]]] = {
    "state dict": (PytorchZipReader(), lambda model, path: torch.save(model.state_dict(), path)),
    "state dict, protocol 4": (
        PytorchZipReader(),
        lambda model, path: torch.save(model.state_dict(), path, pickle_protocol=4),
    ),
    "module": (PytorchZipReader(), torch.save),
    "legacy state dict": (
        PytorchLegacyReader(),
        lambda model, path: torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False),
    ),
    "legacy module": (
        PytorchLegacyReader(),
        lambda model, path: torch.save(model, path, _use_new_zipfile_serialization=False),
    ),
    "script": (TorchScriptReader(), lambda model, path: torch.jit.script(model).save(str(path))),
    "trace": (TorchScriptReader(), lambda model, path: torch.jit.trace(model, model.example).save(str(path))),
    "export": (Pt2Reader(), save_export),
}


def layers(weights: ModelWeights) -> dict[str, Any]:
    return {
        layer.name: (
            layer.kind,
            layer.shape,
            layer.stored_shape,
            layer.dtype,
            layer.groups,
            layer.parts,
            layer.tensor,
        )
        for layer in weights.layers
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["convolutions", "recurrent", "attending"])
def test_every_form_gives_the_layers_of_the_state_dict(form: str, name: str, tmp_path: Path) -> None:
    model = build(name)
    reader, save = FORMS[form]
    plain, path = tmp_path / "plain.pt", tmp_path / "model.pt2"
    torch.save(model.state_dict(), plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(model, path)
    assert reader.matches(path)
    weights = reader.read(path, root=tmp_path)
    expected = PytorchZipReader().read(plain, root=tmp_path)
    assert layers(weights) == layers(expected)
    assert weights.batch_norms == expected.batch_norms
    assert (weights.unsafe_globals, weights.unreferenced_bytes, weights.nested_archives) == ((), 0, ())
    if form != "trace":  # a trace keeps constants of the graph, and names layers by their use
        assert {item.name for item in weights.skipped if item.matrix} == {
            item.name for item in expected.skipped if item.matrix
        }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["convolutions", "recurrent", "attending"])
def test_every_tensor_has_torchs_own_bits(form: str, name: str, tmp_path: Path) -> None:
    model = build(name)
    reader, save = FORMS[form]
    path = tmp_path / "model.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(model, path)
    state = model.state_dict()
    read = {part.name: part for part in reader.contents(path).tensors}  # type: ignore[attr-defined]
    assert read
    found = 0
    for key, value in state.items():
        if key in read:  # TorchScript drops counters that nothing uses, and gives tied tensors one name
            found += 1
            assert read[key].read().tobytes() == value.detach().float().contiguous().numpy().tobytes(), key
    matrices = {key for key, value in state.items() if value.dim() > 1}
    assert found >= len(matrices) - 2


def dtypes() -> list[Any]:
    names = "float64 float32 float16 bfloat16 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz"
    return [getattr(torch, name) for name in names.split()]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", dtypes(), ids=str)
def test_every_floating_type_is_read_exactly(dtype: Any, legacy: bool, tmp_path: Path) -> None:
    values = torch.randn(7, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    path = tmp_path / "model.pt"
    torch.save({"w": values, "t": values.t()}, path, _use_new_zipfile_serialization=not legacy)
    reader = PytorchLegacyReader() if legacy else PytorchZipReader()
    whole, transposed = reader.contents(path).tensors
    expected = values.double().numpy()
    np.testing.assert_array_equal(whole.read().astype(np.float64), expected)
    np.testing.assert_array_equal(transposed.read().astype(np.float64), expected.T)
    assert whole.dtype == str(dtype).removeprefix("torch.")


@pytest.mark.parametrize(
    "dtype", ["int64", "int32", "int16", "int8", "uint8", "bool", "uint16", "uint32", "uint64"]
)
def test_integers_keep_their_type(dtype: str, tmp_path: Path) -> None:
    values = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    torch.save({"w": values}, tmp_path / "model.pt")
    (read,) = PytorchZipReader().contents(tmp_path / "model.pt").tensors
    assert read.dtype == dtype
    assert read.read().tolist() == values.float().tolist()


def test_quantised_tensors_are_dequantised_as_torch_does(tmp_path: Path) -> None:
    values = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    scales = torch.rand(6, generator=torch.Generator().manual_seed(1)).double() + 0.01
    tensors = {
        "tensor": torch.quantize_per_tensor(values, 0.031, 3, torch.qint8),
        "unsigned": torch.quantize_per_tensor(values, 0.031, 100, torch.quint8),
        "wide": torch.quantize_per_tensor(values, 0.001, 0, torch.qint32),
        "channel": torch.quantize_per_channel(values, scales, torch.arange(6), 0, torch.qint8),
        "column": torch.quantize_per_channel(values, scales.repeat(2)[:8], torch.zeros(8), 1, torch.qint8),
    }
    torch.save(tensors, tmp_path / "model.pt")
    read = {part.name: part for part in PytorchZipReader().contents(tmp_path / "model.pt").tensors}
    for name, tensor in tensors.items():
        np.testing.assert_allclose(read[name].read(), tensor.dequantize().numpy(), rtol=2e-7, atol=1e-7)
    assert read["tensor"].quantisation_step == pytest.approx(0.031)
    assert read["channel"].quantisation_step == pytest.approx(float((scales**2).mean().sqrt()))
    assert [read[name].dtype for name in tensors] == ["int8", "uint8", "int32", "int8", "int8"]


def test_a_quantised_model_has_its_layers_in_every_form(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.LSTM(4, 3))
    quantised = torch.ao.quantization.quantize_dynamic(model, dtype=torch.qint8)
    torch.save(quantised.state_dict(), tmp_path / "state.pt")
    torch.save(quantised, tmp_path / "module.pt")
    torch.jit.script(quantised[0]).save(str(tmp_path / "script.pt"))
    state = PytorchZipReader().read(tmp_path / "state.pt", root=tmp_path)
    assert layers(PytorchZipReader().read(tmp_path / "module.pt", root=tmp_path)) == layers(state)
    assert {layer.shape for layer in state.layers} == {(4, 8), (12, 4), (12, 3)}
    np.testing.assert_allclose(
        state.layers[0].read(), quantised[0].weight().dequantize().numpy(), rtol=2e-7, atol=1e-7
    )
    (script,) = TorchScriptReader().read(tmp_path / "script.pt", root=tmp_path).layers
    np.testing.assert_array_equal(script.read(), state.layers[0].read())


def test_a_frozen_script_has_its_weights_among_the_constants(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU()).eval()
    torch.jit.freeze(torch.jit.script(model)).save(str(tmp_path / "model.pt"))
    (layer,) = TorchScriptReader().read(tmp_path / "model.pt", root=tmp_path).layers
    np.testing.assert_array_equal(layer.read(), model[0].weight.detach().numpy())


def test_a_training_checkpoint_is_a_model_and_an_optimizer(tmp_path: Path) -> None:
    model = build("convolutions")
    optimizer = torch.optim.Adam(model.parameters())
    model(*model.example).sum().backward()
    optimizer.step()
    checkpoint = {"epoch": 2, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(checkpoint, tmp_path / "model.pt")
    read = PytorchZipReader().contents(tmp_path / "model.pt")
    assert [part.name for part in read.tensors] == [f"model.{key}" for key in model.state_dict()]
    moments = sum(2 * parameter.numel() + 1 for parameter in model.parameters())
    assert [(item.name, item.parameters, item.matrix) for item in read.skipped] == [
        ("optimizer", moments, False)
    ]
    assert not read.unsafe_globals


def test_an_export_package_of_dynamic_shape_names_nothing_unsafe(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(torch.nn.Linear(8, 4), (torch.zeros(4, 8),), dynamic_shapes=({0: batch},))
    torch.export.save(program, str(tmp_path / "model.pt2"))
    assert not Pt2Reader().contents(tmp_path / "model.pt2").unsafe_globals


def test_constants_of_an_export_package_are_reported(tmp_path: Path) -> None:
    save_export(build("attending"), tmp_path / "model.pt2")
    skipped = Pt2Reader().contents(tmp_path / "model.pt2").skipped
    assert [(item.name, item.parameters, item.matrix) for item in skipped] == [("table", 12, False)]


def test_tensors_of_other_layouts_are_left_out_by_name(tmp_path: Path) -> None:
    tensors = {
        "sparse": torch.eye(4).to_sparse(),
        "compressed": torch.eye(4).to_sparse_csr(),
        "meta": torch.empty(3, 3, device="meta"),
        "complex": torch.zeros(2, 2, dtype=torch.complex64),
        "expanded": torch.ones(1).expand(5, 5),
    }
    torch.save(tensors, tmp_path / "model.pt")
    read = PytorchZipReader().contents(tmp_path / "model.pt")
    assert not read.tensors
    assert {item.name for item in read.skipped} == set(tensors)
    assert not read.unsafe_globals


@pytest.mark.parametrize("form", ["module", "legacy module", "script", "export"])
def test_files_of_torch_survive_truncation_and_flipped_bits(form: str, tmp_path: Path) -> None:
    from gate.errors import ModelError  # noqa: PLC0415 - beside its use

    reader, save = FORMS[form]
    model = torch.nn.Sequential(torch.nn.Linear(3, 2))
    model.example = (torch.zeros(1, 3),)
    path, damaged = tmp_path / "model.pt2", tmp_path / "damaged.pt2"
    save(model, path)
    contents = path.read_bytes()
    for length in range(0, len(contents), max(1, len(contents) // 300)):
        damaged.write_bytes(contents[:length])
        with pytest.raises(ModelError):
            reader.read(damaged, root=tmp_path)
    generator = np.random.default_rng(1)
    for _ in range(300):
        flipped = bytearray(contents)
        flipped[generator.integers(len(flipped))] ^= 1 << int(generator.integers(8))
        damaged.write_bytes(flipped)
        try:
            reader.read(damaged, root=tmp_path)
        except ModelError as error:
            assert "\n" not in str(error)  # noqa: PT017 - a flipped weight is still a weight
