from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gate.errors import UnsafeModelError
from gate.weights.pytorch import PytorchZipReader
from gate.weights.pytorch.flatten import named_tensors
from tests.weights.pytorch.containers import (
    LINEAR,
    USER_CLASS,
    call,
    dict_of,
    integer,
    module,
    named,
    run,
    storage,
    tensor,
    text,
    tuple_of,
    write,
    zip_file,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.pytorch.flatten import NamedTensors


def flat(opcodes: bytes) -> NamedTensors:
    return named_tensors(run(opcodes).value)


def names(opcodes: bytes) -> list[str]:
    return [name for name, _ in flat(opcodes).tensors]


def left_out(opcodes: bytes) -> dict[str, tuple[str, bool]]:
    return {item.name: (item.reason, item.matrix) for item in flat(opcodes).skipped}


def test_a_module_has_the_names_of_its_state_dict() -> None:
    inner = module(LINEAR, {"weight": tensor("0", (2, 3)), "bias": tensor("1", (2,))})
    assert names(module(USER_CLASS, {"scale": tensor("2", (1,))}, {"head": inner})) == [
        "scale",
        "head.weight",
        "head.bias",
    ]


def test_buffers_that_are_not_saved_and_attributes_are_reported() -> None:
    unsaved = call(named("__builtin__", "set"), b"](" + text("mask") + b"e")
    state = {
        "_parameters": dict_of({"weight": tensor("0", (2, 3))}),
        "_buffers": dict_of({"mask": tensor("1", (4, 4)), "mean": tensor("2", (3,))}),
        "_non_persistent_buffers_set": unsaved,
        "_modules": dict_of({}),
        "table": tensor("3", (5, 5)),
        "shortcut": tensor("0", (2, 3)),
        "unregistered": b"](" + module(LINEAR, {"weight": tensor("4", (6, 6))}) + b"e",
    }
    opcodes = USER_CLASS + b")\x81" + dict_of(state) + b"b"
    assert names(opcodes) == ["weight", "mean"]
    assert left_out(opcodes) == {
        "mask": ("a buffer that the module does not save", False),
        "table": ("a tensor the module holds beside its parameters and buffers", False),
        "unregistered.0.weight": ("a tensor the module holds beside its parameters and buffers", False),
    }


def test_a_checkpoint_gives_its_models_and_leaves_the_optimizer() -> None:
    optimizer = dict_of(
        {"state": dict_of({"0": dict_of({"exp_avg": tensor("8", (2, 3))})}), "param_groups": b"]"}
    )
    checkpoint = dict_of(
        {
            "epoch": integer(3),
            "model": dict_of({"fc.weight": tensor("0", (2, 3))}),
            "ema": dict_of({"fc.weight": tensor("1", (2, 3))}),
            "optim": optimizer,
            "optimizer": dict_of({"fp32_groups": b"](" + tensor("9", (4, 5)) + b"e"}),
        }
    )
    assert names(checkpoint) == ["model.fc.weight", "ema.fc.weight"]
    skipped = {item.name: (item.parameters, item.matrix) for item in flat(checkpoint).skipped}
    assert skipped == {"optim": (6, False), "optimizer": (20, False)}


def test_weights_cannot_hide_behind_an_optimizers_keys() -> None:
    decoy = {"state": b"}", "param_groups": b"]", "fc.weight": tensor("0", (2, 3))}
    assert names(dict_of(decoy)) == ["fc.weight"]
    assert names(dict_of({"state": tensor("0", (2, 3)), "param_groups": tensor("1", (2, 3))})) == [
        "state",
        "param_groups",
    ]


def test_an_empty_packed_object_holds_nothing() -> None:
    assert names(named("torch", "ScriptObject") + b")\x81)b") == []


def test_one_name_spelt_in_two_ways_stays_two_names() -> None:
    both = dict_of({"a.b": tensor("0", (2, 2)), "a": dict_of({"b": tensor("1", (2, 2))})})
    assert names(both) == ["a.b", "a.b#2"]


def test_keys_that_are_no_names_and_bare_tensors_are_named() -> None:
    assert names(tensor("0", (2, 2))) == ["tensor"]
    assert names(b"](" + tensor("0", (2, 2)) + b"e") == ["0"]
    assert names(b"}(" + integer(7) + tensor("0", (2, 2)) + b")" + tensor("1", (2, 2)) + b"u") == [
        "7",
        "key1",
    ]


def test_an_expanded_tensor_is_no_terabyte() -> None:
    expanded = tensor("0", (10**6, 10**6), strides=(0, 0), elements=1)
    assert left_out(dict_of({"weight": expanded})) == {
        "weight": ("it repeats its stored elements (an expanded view)", True)
    }


def test_sparse_and_lazy_tensors_count_against_coverage() -> None:
    sparse = call(
        named("torch._utils", "_rebuild_sparse_tensor"),
        b"N",
        tuple_of(tensor("0", (2, 1), dtype="int64"), tensor("1", (1,)), tuple_of(integer(9), integer(9))),
    )
    lazy = (
        named("torch._utils", "_rebuild_tensor_v2")
        + tuple_of(
            storage("2", "float32", 4), integer(0), tuple_of(integer(2), integer(2)),
            tuple_of(integer(2), integer(1)), b"\x89", b"}", dict_of({"neg": b"\x88"}),
        )
        + b"R"
    )  # fmt: skip
    assert left_out(dict_of({"sparse": sparse, "lazy": lazy})) == {
        "sparse": ("it is sparse", True),
        "lazy": ("it is a lazily negated or conjugated view", True),
    }


def test_a_graph_module_is_reported_and_measured(tmp_path: Path) -> None:
    body = dict_of(
        {
            "_parameters": dict_of({}),
            "_buffers": dict_of({}),
            "_modules": dict_of({"fc": module(LINEAR, {"weight": tensor("0", (2, 3))})}),
            "_code": text("import os"),
        }
    )
    rebuilt = call(named("torch.fx.graph_module", "reduce_graph_module"), body, text("import os"))
    contents = zip_file(rebuilt, {"0": np.zeros((2, 3), np.float32)})
    read = PytorchZipReader().contents(write(tmp_path, contents))
    assert [part.name for part in read.tensors] == ["fc.weight"]
    assert read.unsafe_globals == {"torch.fx.graph_module.reduce_graph_module"}


def test_shared_references_cannot_spell_out_a_forest() -> None:
    doubled = module(LINEAR, {"weight": tensor("0", (2, 2))}) + b"q\x000"
    for _ in range(40):  # 2**40 paths in a few kilobytes
        doubled += module(USER_CLASS, {}, {"a": b"h\x00", "b": b"h\x00"}) + b"q\x000"
    with pytest.raises(UnsafeModelError, match="more than 500000 objects"):
        flat(doubled + b"h\x00")


def test_a_shared_module_is_not_walked_through_without_end() -> None:
    attributes = b"(" + b"".join(text(f"k{index}") + b"N" for index in range(5000)) + b"u"
    shared = module(LINEAR, {"weight": tensor("0", (2, 2))}, more=b"N")[:-1] + attributes + b"bq\x00"
    names_of_it = {f"n{index}": b"h\x00" for index in range(300)}
    assert len(names(module(USER_CLASS, {}, {"first": shared, **names_of_it}))) == 301
    with pytest.raises(UnsafeModelError, match="naming the model's tensors takes more"):
        flat(
            module(
                USER_CLASS, {}, {"first": shared, **names_of_it, **{f"m{i}": b"h\x00" for i in range(200)}}
            )
        )


def test_a_module_that_holds_itself_is_refused_and_a_back_reference_is_not() -> None:
    start = USER_CLASS + b")\x81q\x00"
    groups = {"_parameters": dict_of({"weight": tensor("0", (2, 2))}), "_buffers": dict_of({})}
    looped = start + dict_of({**groups, "_modules": dict_of({"m": b"h\x00"})}) + b"b"
    with pytest.raises(UnsafeModelError, match="without end"):
        flat(looped)
    parent = start + dict_of({**groups, "_modules": dict_of({}), "parent": b"](h\x00e"}) + b"b"
    assert names(parent) == ["weight"]


def test_names_have_a_bounded_length() -> None:
    nested = tensor("0", (2, 2))
    for _ in range(6):
        nested = dict_of({"x" * 100: nested})
    with pytest.raises(UnsafeModelError, match="512 characters"):
        flat(nested)
