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
from gate.weights.budget import Budget, OverBudgetError
from gate.weights.pytorch.pickle_machine import interpret
from gate.weights.pytorch.scan import scan_bytes
from gate.weights.pytorch.values import Blob, Items, Stub
from tests.weights.pytorch.containers import (
    PROTO,
    USER_CLASS,
    call,
    integer,
    named,
    run,
    storage,
    tensor,
    text,
    tuple_of,
    unsafe,
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


def view(shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    """Push a tensor that views a storage of four elements."""
    sizes = [tuple_of(*map(integer, extents)) for extents in (shape, strides)]
    return call(named("torch._utils", "_rebuild_tensor"), storage("0", "float32", 4), integer(offset), *sizes)


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


def test_the_name_of_a_global_has_a_bounded_length() -> None:
    assert unsafe(named("m" * 509, "Net")) == {"m" * 509 + ".Net"}
    for name in (named("m" * 510, "Net"), text("torch.nn" + ".modules" * 510) + text("A!") + b"\x93"):
        with pytest.raises(UnsafeModelError, match="a global of"):
            run(name)


@pytest.mark.parametrize("target", [tensor("0", (2, 2)), storage("0", "float32", 4)])
def test_a_tensor_is_not_changed_after_it_is_described(target: bytes) -> None:
    with pytest.raises(UnsafeModelError, match="changes a tensor"):
        run(target + tuple_of(storage("1", "float32", 4), integer(0), b")", b")") + b"b")


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


LONG = b"(" + b"N" * 1000 + b"tq\x000"


@pytest.mark.parametrize(
    "copying",
    [
        named("copy_reg", "__newobj__") + b"h\x00R0",
        named("copy_reg", "_reconstructor") + b"h\x00R0",
        named("__builtin__", "object") + b"h\x00}" + text("k") + b"Ns\x920",
        call(
            named("torch._utils", "_rebuild_qtensor"),
            storage("0", "float32", 1000),
            integer(0),
            tuple_of(integer(1000)),
            tuple_of(integer(1)),
            tuple_of(named("torch", "per_channel_affine"), b"h\x01", b"h\x01", integer(0)),
        )
        + b"0",
    ],
)
def test_every_copy_of_what_the_pickle_recalls_is_charged(copying: bytes) -> None:
    numbers = b"(" + b"K\x01" * 1000 + b"tq\x010"
    run(LONG + numbers + copying * 10 + b"N")
    with pytest.raises(OverBudgetError, match="steps"):
        run(LONG + numbers + copying * 2100 + b"N")


def test_the_pickles_of_a_file_share_one_budget() -> None:
    budget = Budget(steps=1000)
    each = PROTO + b"N0" * 200 + b"N."
    for _ in range(2):
        interpret(memoryview(each), budget=budget)
    assert budget.steps == 1000 - 2 * 402
    with pytest.raises(OverBudgetError, match="steps together"):
        interpret(memoryview(each), budget=budget)
    # pickles in a row, where what follows need not be one: running out is no end of the row
    with pytest.raises(OverBudgetError, match="steps together"):
        scan_bytes(memoryview(each * 3), budget=Budget(steps=1000))


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
