"""What became of real weights: exported again, rounded, pruned, tuned, replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import save_file

from tests.analysis.comparison.models import Arrays, compared, real_weights, saved
from tests.models import fetch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.registry_package
VOICE = "silero_vad/data/silero_vad"


@pytest.fixture(scope="module")
def weights() -> Arrays:
    found = real_weights()
    assert len(found) >= 6
    return found


@pytest.fixture(scope="module")
def before(weights: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(weights, tmp_path_factory.mktemp("before") / "m.safetensors")


def noise(weights: Arrays, share: float) -> Arrays:
    draw = np.random.default_rng(0)
    return {
        name: (values + share * values.std() * draw.standard_normal(values.shape)).astype(np.float32)
        for name, values in weights.items()
    }


def pruned(weights: Arrays, share: float) -> Arrays:
    return {
        name: np.where(np.abs(values) < np.quantile(np.abs(values), share), 0, values)
        for name, values in weights.items()
    }


def fresh(weights: Arrays) -> Arrays:
    draw = np.random.default_rng(1)
    return {name: draw.standard_normal(values.shape).astype(np.float32) for name, values in weights.items()}


def rounded(weights: Arrays, kind: Any) -> Arrays:
    return {name: values.astype(kind) for name, values in weights.items()}


CASES: tuple[tuple[str, Callable[[Arrays], Arrays], str, set[str]], ...] = (
    ("renamed", lambda w: {f"net.{name}": v for name, v in w.items()}, "re-exported", {"identical"}),
    ("float16", lambda w: rounded(w, np.float16), "quantised", {"quantised"}),
    ("bfloat16", lambda w: rounded(w, ml_dtypes.bfloat16), "quantised", {"quantised"}),
    ("rounded in place", lambda w: rounded(rounded(w, np.float16), np.float32), "quantised", {"quantised"}),
    ("pruned", lambda w: pruned(w, 0.6), "pruned", {"pruned"}),
    ("pruned and tuned", lambda w: pruned(noise(w, 0.05), 0.6), "pruned", {"pruned"}),
    ("tuned a little", lambda w: noise(w, 1e-3), "fine-tuned", {"changed"}),
    ("tuned much", lambda w: noise(w, 0.5), "fine-tuned", {"changed"}),
    ("fresh", fresh, "different", {"unrelated"}),
)


@pytest.mark.parametrize(
    ("make", "relation", "changes"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_what_was_done_to_real_weights_is_told(
    weights: Arrays,
    before: Path,
    tmp_path: Path,
    make: Callable[[Arrays], Arrays],
    relation: str,
    changes: set[str],
) -> None:
    found = compared(before, saved(make(weights), tmp_path / "b.safetensors"))
    assert (found.relation, {pair.change for pair in found.pairs}) == (relation, changes), found.why
    assert (found.unmatched_a, found.unmatched_b) == ((), ())


def test_figures_of_a_pair_are_those_of_numpy(weights: Arrays, before: Path, tmp_path: Path) -> None:
    tuned = pruned(noise(weights, 0.1), 0.25)
    found = compared(before, saved(tuned, tmp_path / "b.safetensors"))
    for pair in found.pairs:
        a, b = (arrays[f"{pair.a}.weight"].astype(np.float64).ravel() for arrays in (weights, tuned))
        assert pair.relative_change == pytest.approx(np.linalg.norm(b - a) / np.linalg.norm(a), rel=1e-9)
        assert pair.cosine == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), rel=1e-9)
        assert pair.largest_change == pytest.approx(np.abs(b - a).max(), rel=1e-9)
        assert pair.sparsity_b == pytest.approx((b == 0).mean())
        assert pair.sparsity_b == pytest.approx(0.25, abs=0.02)


def test_the_same_bytes_and_the_same_weights_are_identical(
    weights: Arrays, before: Path, tmp_path: Path
) -> None:
    assert compared(before, before).why == "the files are the same, byte for byte"
    save_file({**weights, "bias": np.ones(3, np.float32)}, tmp_path / "b.safetensors")
    found = compared(before, tmp_path / "b.safetensors")
    assert found.relation == "identical"
    assert found.a.digest != found.b.digest


def test_moved_and_renamed_layers_are_found_by_their_content(
    weights: Arrays, before: Path, tmp_path: Path
) -> None:
    names = sorted(weights, key=lambda name: weights[name].std())
    moved = {f"{index:02}.weight": weights[name] for index, name in enumerate(names)}
    found = compared(before, saved(moved, tmp_path / "b.safetensors"))
    assert found.relation == "re-exported"
    truth = {name.removesuffix(".weight"): f"{index:02}" for index, name in enumerate(names)}
    assert {pair.a: pair.b for pair in found.pairs} == truth
    assert "content" in {pair.how for pair in found.pairs}


def test_a_new_head_leaves_the_rest_and_a_dropped_layer_prunes(
    weights: Arrays, before: Path, tmp_path: Path
) -> None:
    last = list(weights)[-1]
    rest = {name: values for name, values in weights.items() if name != last}
    dropped = compared(before, saved(rest, tmp_path / "d.safetensors"))
    assert (dropped.relation, dropped.unmatched_a) == ("pruned", (last.removesuffix(".weight"),))
    headed = {**rest, "head.weight": np.eye(7, 50, dtype=np.float32)}
    found = compared(before, saved(headed, tmp_path / "h.safetensors"))
    assert (found.relation, found.unmatched_b) == ("fine-tuned", ("head",))


def test_weights_that_are_not_finite_compare_without_a_figure(
    weights: Arrays, before: Path, tmp_path: Path
) -> None:
    name = next(iter(weights))
    broken = {**weights, name: np.full_like(weights[name], np.nan)}
    found = compared(before, saved(broken, tmp_path / "b.safetensors"))
    (pair,) = (pair for pair in found.pairs if pair.change != "identical")
    assert (pair.a, pair.change, pair.relative_change, pair.cosine) == (
        name.removesuffix(".weight"),
        "unrelated",
        None,
        None,
    )


def test_eight_bit_onnx_by_the_runtimes_own_quantiser_is_quantised(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    tensors = [draw.standard_t(4, (96, 96)).astype(np.float32) for _ in range(3)]
    nodes = [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"], name=f"m{i}") for i in range(3)]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, [1, 96])],
        [helper.make_tensor_value_info("x3", TensorProto.FLOAT, [1, 96])],
        [numpy_helper.from_array(values, f"w{index}") for index, values in enumerate(tensors)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "a.onnx")
    quantize_dynamic(tmp_path / "a.onnx", tmp_path / "b.onnx", weight_type=QuantType.QInt8)
    found = compared(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert (found.relation, {pair.change for pair in found.pairs}) == ("quantised", {"quantised"})
    assert {pair.dtype_b for pair in found.pairs} == {"int8"}


@pytest.mark.parametrize(
    ("a", "b", "relation"),
    [
        (("5.1", f"{VOICE}.onnx"), ("5.1", f"{VOICE}.jit"), "re-exported"),
        (("6.2.0", f"{VOICE}.onnx"), ("6.2.3", f"{VOICE}.onnx"), "identical"),
        (("6.0.0", f"{VOICE}.onnx"), ("6.2.0", f"{VOICE}.onnx"), "different"),
        (("6.2.3", f"{VOICE}_16k_op15.onnx"), ("6.2.3", f"{VOICE}_16k.safetensors"), "fine-tuned"),
    ],
)
def test_real_releases(a: tuple[str, str], b: tuple[str, str], relation: str) -> None:
    found = compared(fetch("silero-vad", *a), fetch("silero-vad", *b))
    assert found.relation == relation, found.why
    # The STFT's fixed basis never changed between any of them.
    assert {pair.change for pair in found.pairs if "stft" in pair.a} == {"identical"}
