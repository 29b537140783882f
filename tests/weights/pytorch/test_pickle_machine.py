from __future__ import annotations

import pickle
import tracemalloc
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import ModelError, UnsafeModelError
from gate.weights.pytorch.pickle_machine import interpret
from gate.weights.pytorch.scan import scan_bytes
from gate.weights.pytorch.values import Blob, Items, Stub
from tests.weights.pytorch.containers import (
    PROTO,
    call,
    dict_of,
    integer,
    module,
    named,
    storage,
    text,
    tuple_of,
)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


def run(opcodes: bytes, **options: bool) -> Any:
    return interpret(memoryview(PROTO + opcodes + b"."), **options)


def view(shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    """Push a tensor that views a storage of four elements."""
    sizes = [tuple_of(*map(integer, extents)) for extents in (shape, strides)]
    return call(named("torch._utils", "_rebuild_tensor"), storage("0", "float32", 4), integer(offset), *sizes)


def unsafe(opcodes: bytes) -> set[str]:
    return set(run(opcodes).unsafe_globals)


@settings(max_examples=150, deadline=None)
@given(value=PLAIN, protocol=st.integers(0, 5))
def test_plain_values_are_what_python_reads(value: Any, protocol: int) -> None:
    written = pickle.dumps(value, protocol)
    read = interpret(memoryview(written))
    assert read.value == value
    assert read.end == len(written)
    assert not read.unsafe_globals


@pytest.mark.parametrize("protocol", range(6))
def test_containers_of_the_standard_library_are_known(protocol: int) -> None:
    value = [
        OrderedDict(a=1),
        defaultdict(list, b=[2]),
        Counter("aab"),
        {3},
        frozenset([4]),
        deque([5]),
        b"6",
        1j,
    ]
    read = interpret(memoryview(pickle.dumps(value, protocol)))
    assert not read.unsafe_globals
    assert isinstance(read.value, list)
    ordered, default, counter, *sets = read.value[:6]
    assert (ordered, default, counter) == ({"a": 1}, {"b": [2]}, {"a": 2, "b": 1})
    assert [part.items for part in sets] == [[3], [4], [5]]


@pytest.mark.parametrize("protocol", range(6))
def test_a_foreign_object_is_inert_and_reported(protocol: int) -> None:
    read = interpret(memoryview(pickle.dumps(PurePosixPath("/etc"), protocol)))
    assert isinstance(read.value, Stub)
    assert any(name.startswith("pathlib.") for name in read.unsafe_globals)


SYSTEM = named("os", "system")
LINEAR = named("torch.nn.modules.linear", "Linear")
FROM_TYPE = named("torch._tensor", "_rebuild_from_type_v2")
RECONSTRUCT = named("copy_reg", "_reconstructor")
USER_CLASS = named("shop.nets", "Net")


@pytest.mark.parametrize(
    ("opcodes", "expected"),
    [
        (call(SYSTEM, text("touch x")), "os.system"),
        (b"(" + text("touch x") + b"ios\nsystem\n", "os.system"),
        (b"(" + SYSTEM + text("touch x") + b"o", "os.system"),
        (SYSTEM + tuple_of(text("touch x")) + b"\x81", "os.system"),
        (SYSTEM + tuple_of(text("touch x")) + b"}\x92", "os.system"),
        (named("__builtin__", "eval"), "builtins.eval"),
        (named("commands", "getoutput"), "subprocess.getoutput"),
        (text("os") + text("system") + b"\x93", "os.system"),
        (text("torch.nn.modules") + text("module.sys.exit") + b"\x93", "torch.nn.modules.module.sys.exit"),
        (text("collections") + text("OrderedDict.update") + b"\x93", "collections.OrderedDict.update"),
        (call(named("__builtin__", "getattr"), named("os", "path"), text("join")), "builtins.getattr"),
        (call(call(named("__builtin__", "getattr"), SYSTEM, text("x")), text("y")), "builtins.getattr"),
        (b"\x82\x07", "copyreg.extension.7"),
        (b"\x83\x07\x01", "copyreg.extension.263"),
        (call(named("torch.storage", "_load_from_bytes"), text("x")), "torch.storage._load_from_bytes"),
        (call(named("torch.hub", "load"), text("x")), "torch.hub.load"),
        (call(named("torch.nn.functional", "relu"), text("x")), "torch.nn.functional.relu"),
        (call(LINEAR, integer(3)), "torch.nn.modules.linear.Linear"),
        (LINEAR + dict_of({"forward": b"N"}) + b"b", "torch.nn.modules.linear.Linear"),
        (named("sys", "path") + text("lib") + b"a", "sys.path"),
        (named("os", "environ") + text("a") + text("b") + b"s", "os.environ"),
        (b"]" + named("__builtin__", "list") + b"0" + SYSTEM + b"0", "os.system"),
        (
            call(FROM_TYPE, SYSTEM, named("torch", "Tensor"), tuple_of(text("x")), b"N"),
            "os.system",
        ),
        (call(RECONSTRUCT, USER_CLASS, named("__builtin__", "dict"), b"}"), "shop.nets.Net"),
        (call(named("copy_reg", "__newobj__"), USER_CLASS, text("x")), "shop.nets.Net"),
        (call(named("__builtin__", "set"), b"](" + call(SYSTEM, text("x")) + b"e"), "os.system"),
        (call(named("collections", "defaultdict"), SYSTEM), "os.system"),
    ],
)  # fmt: skip
def test_what_loading_would_import_or_call_is_reported(opcodes: bytes, expected: str) -> None:
    assert expected in unsafe(opcodes)


def test_a_users_module_class_is_excused_and_only_as_that() -> None:
    assert unsafe(module(USER_CLASS, {})) == set()
    assert unsafe(module(named("__main__", "Net"), {})) == set()
    # with a state that is no module's, called, changed in place, only referenced, or with arguments
    assert unsafe(USER_CLASS + b")\x81" + dict_of({"x": b"N"}) + b"b") == {"shop.nets.Net"}
    assert unsafe(USER_CLASS + b")\x81") == {"shop.nets.Net"}
    assert unsafe(USER_CLASS) == {"shop.nets.Net"}
    both = module(USER_CLASS, {}) + b"0"
    assert unsafe(both + call(USER_CLASS)) == {"shop.nets.Net"}
    assert unsafe(both + USER_CLASS + b"}b") == {"shop.nets.Net"}
    assert unsafe(both + USER_CLASS + tuple_of(text("x")) + b"\x81") == {"shop.nets.Net"}
    # its instance called, or appended to: methods of its own would run
    assert unsafe(module(USER_CLASS, {}) + tuple_of(text("x")) + b"R") == {"shop.nets.Net"}
    assert unsafe(module(USER_CLASS, {}) + text("x") + b"a") == {"shop.nets.Net"}
    assert unsafe(module(USER_CLASS, {}) + text("x") + text("y") + b"s") == {"shop.nets.Net"}


@pytest.mark.parametrize(
    ("module_name", "name"),
    [
        ("subprocess", "Popen"),
        ("os", "system"),
        ("shop", "os.system"),
        ("commands", "getoutput"),
        ("shop nets", "Net"),
    ],
)
def test_no_class_of_the_standard_library_passes_for_a_module(module_name: str, name: str) -> None:
    cls = text(module_name) + text(name) + b"\x93"
    assert len(unsafe(module(cls, {}))) == 1


def test_what_a_module_holds_is_still_reported() -> None:
    evil = call(SYSTEM, text("x"))
    assert unsafe(module(USER_CLASS, {}, {"inner": module(USER_CLASS, {"weight": evil})})) == {"os.system"}
    assert unsafe(module(USER_CLASS, {}, hook=evil)) == {"os.system"}


@pytest.mark.parametrize(
    "opcodes",
    [
        b"",
        b"0",
        b"1",
        b"a",
        b"R",
        b"h\x05",
        b"Nb",
        b"(N",
        b"NN",
        b"}(Nu",
        b"I" + b"1" * 100 + b"\n",
        b"Ix\n",
        b"Fx\n",
        b"Sx\n",
        b"\x8b\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\xff",
        b"\x8d" + b"\xff" * 8,
        b"\x8e" + b"\xff" * 8,
        b"\x95" + b"\xff" * 8,
        b"X\xff\xff\xff\xff",
        b"T\xff\xff\xff\xff",
        b"\x97",
        b"Pid\n",
        b"NQ",
        b"\xff",
        b"\x80\x06",
        text("x") + b")\x93",
        storage("0", "float32", -1),
        storage("0", "float32", 4) + b"0" + storage("0", "float64", 4),
        storage("0", "float32", 4) + b"0" + storage("0", "float32", 5),
        call(named("torch._utils", "_rebuild_tensor_v2"), text("x")),
        view((5,), (1,)),
        view((1,), (1,), offset=-1),
        view((2**62, 0, 2**62), (1, 1, 1)),
        view((1,) * 40, (1,) * 40),
        view((2,), (2**63,)),
    ],
)  # fmt: skip
def test_nonsense_is_a_clear_error(opcodes: bytes) -> None:
    with pytest.raises(ModelError) as caught:
        run(opcodes)
    assert "\n" not in str(caught.value)


def test_long_strings_stay_in_the_file() -> None:
    read = interpret(memoryview(pickle.dumps(["x" * 10_000, b"y" * 10_000], 4)))
    assert isinstance(read.value, list)
    assert [(type(value), value.size) for value in read.value] == [(Blob, 10_000), (Blob, 10_000)]


@pytest.mark.parametrize(
    "opcodes",
    [
        b")" + b"\x85" * 200_000,  # a tuple that deep
        b"]" + b"\x85]a" * 50_000,
        b"}" + b"N" + b"2\x86" * 500 + b"Ns",  # 2**500 elements, as a key
        b"]("
        + b"N" * 1000
        + b"eq\x000"
        + b"]("
        + (named("__builtin__", "list") + b"h\x00\x85R") * 5000
        + b"e",
        b"(" * 300_000,
        USER_CLASS + b")R" * 100_000,
        USER_CLASS + b")\x81" * 100_000 + b"Na" * 50_000,
    ],
)
def test_bombs_take_neither_time_nor_memory(opcodes: bytes) -> None:
    tracemalloc.start()
    try:
        run(opcodes)
    except ModelError:
        pass  # refused or read: what counts is that it stays small and the process lives
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 60e6


def test_steps_names_and_copies_are_limited() -> None:
    with pytest.raises(UnsafeModelError, match="steps"):
        run(b"N0" * 1_000_001)
    with pytest.raises(UnsafeModelError, match="unknown globals"):
        run(b"".join(named("m", f"n{index}") + b"0" for index in range(10_001)))
    copies = (
        b"]("
        + b"N" * 1000
        + b"eq\x00"
        + named("__builtin__", "list")
        + b"q\x010"
        + b"h\x01h\x00\x85R0" * 3000
    )
    with pytest.raises(UnsafeModelError, match="steps"):
        run(copies)


def test_text_that_cannot_be_printed_stays_in_the_file() -> None:
    lone = b"X\x03\x00\x00\x00\xed\xa0\x80"
    assert isinstance(run(lone).value, Blob)
    assert isinstance(run(b"V\\ud800\n").value, Blob)
    assert run(b"V\\u00e9\n").value == "é"
    with pytest.raises(UnsafeModelError, match="other than text"):
        run(text("os") + lone + b"\x93")


def test_an_undecided_set_is_read_once() -> None:
    assert isinstance(run(b"\x8f(NNK\x01\x90").value, Items)


def test_pickles_in_a_row_are_all_scanned() -> None:
    rows = pickle.dumps([1]) + pickle.dumps(PurePosixPath("/")) + b"no pickle"
    assert any(name.startswith("pathlib.") for name in scan_bytes(memoryview(rows)))
