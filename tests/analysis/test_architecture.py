"""Fingerprints that survive renaming, and one that survives reordering and another container."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate.analysis.architecture import architecture_fingerprint, layout_fingerprint
from gate.layer import WeightLayer
from gate.weights import read_weights
from tests.models import fetch


def layer(name: str, shape: tuple[int, ...], **fields: object) -> WeightLayer:
    known = WeightLayer(name, "dense", shape, "float32", lambda: None, name, shape)  # type: ignore[arg-type]
    return replace(known, **fields)  # type: ignore[arg-type]


A, B = layer("a", (3, 4)), layer("b", (5, 6))


def test_names_do_not_count_and_order_does_in_one_of_them() -> None:
    renamed = [replace(A, name="x"), replace(B, name="y")]
    assert architecture_fingerprint(renamed) == architecture_fingerprint([A, B])
    assert architecture_fingerprint([B, A]) != architecture_fingerprint([A, B])
    assert layout_fingerprint([B, *renamed[:1]]) == layout_fingerprint([A, B])


@pytest.mark.parametrize("other", [replace(B, shape=(6, 5)), replace(B, kind="attention")])
def test_kinds_and_shapes_count_in_both(other: WeightLayer) -> None:
    for fingerprint in (architecture_fingerprint, layout_fingerprint):
        assert fingerprint([A, other]) != fingerprint([A, B])
        assert fingerprint([A]) != fingerprint([A, A])


@pytest.mark.registry_package
@pytest.mark.parametrize("version", ["5.1", "6.2.3"])
def test_one_model_in_two_containers_has_one_layout(version: str) -> None:
    """Its ONNX file lists the branches in another order and does not say that the STFT has groups."""
    onnx, script = (
        read_weights(fetch("silero-vad", version, f"silero_vad/data/silero_vad.{suffix}")).layers
        for suffix in ("onnx", "jit")
    )
    assert layout_fingerprint(onnx) == layout_fingerprint(script)
    assert architecture_fingerprint(onnx) != architecture_fingerprint(script)
