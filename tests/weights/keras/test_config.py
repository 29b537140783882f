"""Configurations of models: what they say of layers, and what loading them would run."""

from __future__ import annotations

from typing import Any

import pytest

from gate.errors import ModelError, UnsafeModelError
from gate.weights.keras import config as config_module
from gate.weights.keras.config import code_named, layer_config, snake_case

BYTECODE = "4wEAAAAAAAAAAAAAAAEAAAACAAAAQwAAAHMIAAAAfABkAHACUwApAU4="


def layer(class_name: str, name: str, **settings: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **settings}}


def test_a_model_is_its_layers_and_a_wrapper_what_it_wraps() -> None:
    cell = layer("LSTMCell", "cell")
    bidirectional = layer(
        "Bidirectional", "both", layer=layer("LSTM", "lstm"), backward_layer=layer("GRU", "gru")
    )
    described = layer("Functional", "model", layers=[bidirectional, layer("RNN", "rnn", cell=cell)])
    model = layer_config(described)
    both, rnn = model.layers
    assert [inner.name for inner in model.below()] == ["both", "lstm", "gru", "rnn", "cell"]
    parts = {name: both.part(name) for name in ("forward_layer", "backward_layer", "cell")}
    assert {name: part.name if part else None for name, part in parts.items()} == {
        "forward_layer": "lstm",
        "backward_layer": "gru",
        "cell": None,
    }
    forward, inner = both.part("forward_layer"), rnn.part("cell")
    assert forward is not None
    assert inner is not None
    implied = forward.part("cell")
    assert implied is not None
    assert (implied.class_name, implied.name, inner.name) == ("LSTMCell", "lstm_cell", "cell")


def test_the_sequential_model_of_early_keras_2_is_a_list() -> None:
    model = layer_config({"class_name": "Sequential", "config": [layer("Dense", "a"), layer("Dense", "b")]})
    assert [inner.name for inner in model.layers] == ["a", "b"]


@pytest.mark.parametrize(
    "described", [{}, {"class_name": 3, "config": {}}, {"class_name": "Dense", "config": 3}]
)
def test_what_describes_no_layer_is_an_error(described: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="without class"):
        layer_config(described)


def test_models_nested_without_end_are_refused() -> None:
    described = layer("Dense", "last")
    for _ in range(100):
        described = layer("Sequential", "model", layers=[described])
    with pytest.raises(UnsafeModelError, match="deeper than"):
        layer_config(described)


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("Conv2DTranspose", "conv2d_transpose"),
        ("PReLU", "p_re_lu"),
        ("GRUCell", "gru_cell"),
        ("Dense", "dense"),
    ],
)
def test_groups_are_called_as_keras_calls_them(class_name: str, expected: str) -> None:
    assert snake_case(class_name) == expected


def test_snake_case_is_that_of_keras_for_every_layer() -> None:
    pytest.importorskip("torch")
    models = pytest.importorskip("tests.weights.keras.models")
    from keras.src.utils.naming import to_snake_case  # noqa: PLC0415 - beside torch only

    names = [name for name in dir(models.L) if name[0].isupper()]
    assert len(names) > 100
    assert [snake_case(name) for name in names] == [to_snake_case(name) for name in names]


OWN: dict[str, Any] = {"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": None}


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (OWN, set()),
        ({**OWN, "module": "keras_hub.src.models.backbone"}, set()),
        ({**OWN, "module": "os", "class_name": "system"}, {"os.system"}),
        ({**OWN, "module": "kerasish", "class_name": "Dense"}, {"kerasish.Dense"}),
        ({**OWN, "module": "builtins", "class_name": "function", "config": "relu"}, set()),
        ({**OWN, "module": "builtins", "class_name": "eval", "config": "1"}, {"builtins.eval"}),
        ({**OWN, "module": "mine", "class_name": "function", "config": "loss"}, {"mine.loss"}),
        ({**OWN, "module": None, "registered_name": "mine>Layer"}, {"mine>Layer"}),
        ({"class_name": "mine>Layer", "config": {}}, {"mine>Layer"}),
        ({**OWN, "registered_name": "Functional"}, set()),
        (
            {
                **OWN,
                "class_name": "Lambda",
                "config": {"function": {"class_name": "__lambda__", "config": {"value": BYTECODE}}},
            },
            {"keras.layers.Lambda"},
        ),
        ({"class_name": "Lambda", "config": {"function": [BYTECODE, None, None]}}, {"keras.layers.Lambda"}),
        ({"class_name": "Lambda", "config": {"function_type": "lambda"}}, {"keras.layers.Lambda"}),
        ({"class_name": "Lambda", "config": {"function": "relu", "function_type": "function"}}, set()),
        ({"class_name": "Lambda", "config": None}, set()),
        ({"class_name": "Loss", "module": "m" * 500}, {("m" * 200)}),
        ({"class_name": 3, "module": "os"}, set()),
        (None, set()),
    ],
)
def test_code_outside_of_keras_is_named(described: dict[str, Any] | None, expected: set[str]) -> None:
    assert code_named({"config": [{"deep": described}]}) == expected


def test_more_foreign_names_than_any_model_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module, "_MOST_NAMES", 10)
    with pytest.raises(UnsafeModelError, match="more than 10 foreign"):
        code_named([{"class_name": f"C{number}", "module": "mine"} for number in range(20)])
