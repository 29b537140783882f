"""What enters a key, and what does not."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from gate.layer import Part, WeightLayer
from gate.spectra import Settings, convention
from gate.spectra.cache import identity, key
from gate.spectra.cache.key import layer_key
from gate.spectra.lapack.threads import LARGE
from tests.spectra.layers import Held, gaussian, layer_of

GATE = Settings(convention("gate-1"))
FULL = replace(GATE, groups=frozenset({"default", "shuffle"}))
LAYER = layer_of(gaussian(8, 6))

CHANGED: dict[str, Any] = {
    "kind": "embedding",
    "shape": (6, 8),
    "dtype": "bfloat16",
    "stored_shape": (6, 8),
    "parts": (Part("gate", 0, 0, 4),),
    "groups": 2,
    "quantisation_step": 0.5,
}
NAMES: dict[str, Any] = {
    "name": "other",
    "tensor": "other.weight",
    "read": Held(gaussian(2, 2)),
    "right": Held(gaussian(2, 2)),
    "bytes_digest": "sha256:0",
}


def test_every_field_of_a_layer_is_decided_on() -> None:
    assert {field.name for field in fields(WeightLayer)} == {*CHANGED, *NAMES}


@pytest.mark.parametrize("field", CHANGED)
def test_what_changes_numbers_changes_the_key(field: str) -> None:
    changed = replace(LAYER, **{field: CHANGED[field]})
    assert layer_key(changed, GATE, ["d"], 1) != layer_key(LAYER, GATE, ["d"], 1)


@pytest.mark.parametrize("field", NAMES)
def test_names_and_readers_do_not_enter(field: str) -> None:
    renamed = replace(LAYER, **{field: NAMES[field]})
    assert layer_key(renamed, GATE, ["d"], 1) == layer_key(LAYER, GATE, ["d"], 1)


@pytest.mark.parametrize(
    "changed",
    [
        replace(GATE, float32=True),
        replace(GATE, convention=convention("paper")),
        replace(GATE, convention=replace(GATE.convention, outlier_alpha=7.0)),
        FULL,
    ],
)
def test_settings_enter(changed: Settings) -> None:
    assert layer_key(LAYER, changed, ["d"], 1) != layer_key(LAYER, GATE, ["d"], 1)


def test_the_number_of_workers_does_not_enter() -> None:
    assert layer_key(LAYER, replace(GATE, jobs=7), ["d"], 1) == layer_key(LAYER, GATE, ["d"], 1)


def test_seed_and_name_enter_where_random_numbers_are_drawn_and_only_there() -> None:
    renamed = replace(LAYER, name="other")
    assert layer_key(LAYER, replace(GATE, seed=1), ["d"], 1) == layer_key(LAYER, GATE, ["d"], 1)
    assert layer_key(LAYER, replace(FULL, seed=1), ["d"], 1) != layer_key(LAYER, FULL, ["d"], 1)
    assert layer_key(renamed, FULL, ["d"], 1) != layer_key(LAYER, FULL, ["d"], 1)


def test_tensors_enter() -> None:
    assert layer_key(LAYER, GATE, ["d"], 1) != layer_key(LAYER, GATE, ["e"], 1)
    assert layer_key(LAYER, GATE, ["d", "e"], 1) != layer_key(LAYER, GATE, ["de"], 1)


def test_blas_threads_enter_for_layers_that_use_them() -> None:
    assert layer_key(LAYER, GATE, ["d"], 1) == layer_key(LAYER, GATE, ["d"], 2)
    large = replace(LAYER, shape=(LARGE, LARGE + 1))
    assert layer_key(large, GATE, ["d"], 1) != layer_key(large, GATE, ["d"], 2)


@pytest.mark.parametrize("field", [field.name for field in fields(identity())])
def test_another_engine_has_other_keys(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = layer_key(LAYER, GATE, ["d"], 1)
    other = replace(identity(), **{field: "another"})
    monkeypatch.setattr(key, "identity", lambda: other)
    assert layer_key(LAYER, GATE, ["d"], 1) != before
