from __future__ import annotations

import pickle
import tracemalloc
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import ModelError, UnsafeModelError
from gate.weights.budget import Budget, OverBudgetError
from gate.weights.pytorch.known import is_known, may_be_module_class
from gate.weights.pytorch.pickle_machine import interpret
from gate.weights.pytorch.scan import scan_bytes
from gate.weights.pytorch.values import Blob, GlobalName, Items, Stub
from tests.weights.pytorch.containers import (
    PROTO,
    call,
    dict_of,
    integer,
    module,
    named,
    storage,
    tensor,
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


def run(opcodes: bytes) -> Any:
    return interpret(memoryview(PROTO + opcodes + b"."))


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


STATE = dict_of({"_parameters": b"}", "_buffers": b"}", "_modules": b"}"})
MADE = USER_CLASS + b")\x81"


class Loads:
    """Given a state, it loads what that holds, as classes of several libraries do."""

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple):
            pickle.loads(state[0])


@pytest.mark.parametrize("first", [True, False])
def test_a_class_that_loads_its_state_is_reported_whatever_else_it_is_given(
    first: bool, tmp_path: Path
) -> None:
    target = tmp_path / "made"
    inner = b"\x80\x04cbuiltins\nopen\n" + tuple_of(text(str(target)), text("w")) + b"R."
    evil = tuple_of(b"B" + len(inner).to_bytes(4, "little") + inner, b"\x89") + b"b"
    good = STATE + b"b"
    opcodes = named(__name__, "Loads") + b")\x81" + (evil + good if first else good + evil)
    pickle.loads(PROTO + opcodes + b".")
    assert target.exists()
    target.unlink()
    assert unsafe(opcodes) == {f"{__name__}.Loads"}
    assert not target.exists()


@pytest.mark.parametrize(
    "state",
    [
        b"N",
        b"]",
        text("x"),
        tuple_of(STATE, b"N"),
        tuple_of(STATE, b"}"),
        tuple_of(STATE),
        b"](" + text("_parameters") + b"e",
        dict_of({"_parameters": b"}", "_buffers": b"}"}),
        dict_of({"_parameters": b"}", "_buffers": b"}", "_modules": b"N"}),
    ],
)
def test_only_a_plain_dictionary_is_a_modules_state(state: bytes) -> None:
    assert unsafe(MADE + state + b"b") == {"shop.nets.Net"}
    # a state that would be right does not undo what the first may have done, nor the other way round
    assert unsafe(MADE + state + b"b" + STATE + b"b") == {"shop.nets.Net"}
    assert unsafe(MADE + STATE + b"b" + state + b"b") == {"shop.nets.Net"}
    assert unsafe(MADE + STATE + b"b" + STATE + b"b") == {"shop.nets.Net"}


@pytest.mark.parametrize(
    "other",
    [
        MADE,
        MADE + dict_of({"x": b"N"}) + b"b",
        MADE + text("x") + b"b",
        USER_CLASS,
        b"h\x07",
        tuple_of(b"h\x07"),
        dict_of({"act": b"h\x07"}),
        call(named("collections", "defaultdict"), b"h\x07"),
        call(
            FROM_TYPE,
            named("torch._utils", "_rebuild_parameter"),
            b"h\x07",
            tuple_of(tensor("0", (2, 2)), b"\x88", b"}"),
            b"}",
        ),
    ],
)
def test_one_good_instance_excuses_no_other_use(other: bytes) -> None:
    good = USER_CLASS + b"q\x07)\x81" + STATE + b"b0"
    assert unsafe(good + b"h\x07)\x81" + STATE + b"b") == set()
    for opcodes in (good + b"N" + other + b"\x86", b"(" + good + other + good + b"t"):
        assert unsafe(opcodes) == {"shop.nets.Net"}


def test_a_tuple_that_is_recalled_accounts_for_one_use_only() -> None:
    reconstructed = tuple_of(USER_CLASS, named("__builtin__", "object"), b"N")
    once = RECONSTRUCT + reconstructed + b"q\x07R" + STATE + b"b"
    again = once + b"0" + RECONSTRUCT + b"h\x07R" + STATE + b"b"
    assert unsafe(once) == unsafe(again) == set()
    assert unsafe(again + b"0" + USER_CLASS) == {"shop.nets.Net"}
    new = named("copy_reg", "__newobj__") + tuple_of(USER_CLASS) + b"q\x07R" + STATE + b"b"
    new += b"0" + named("copy_reg", "__newobj__") + b"h\x07R" + STATE + b"b"
    assert unsafe(new) == set()
    assert unsafe(new + b"0" + USER_CLASS) == {"shop.nets.Net"}
    # torch before 1.0 wrote a class with its source, by a persistent id
    old = tuple_of(text("module"), USER_CLASS, text("nets.py"), text("class Net: ..."))
    kept = old + b"q\x07Q)\x81" + STATE + b"b"
    assert unsafe(kept) == set()
    assert unsafe(kept + b"0h\x07Q)\x81" + STATE + b"b") == set()
    assert unsafe(kept + b"0h\x07Q") == {"shop.nets.Net"}
    assert unsafe(kept + b"0h\x07Q)\x81" + STATE + b"b0" + USER_CLASS) == {"shop.nets.Net"}


@pytest.mark.parametrize(
    "called",
    [
        call(named("__builtin__", "list"), module(USER_CLASS, {})),
        call(named("collections", "OrderedDict"), module(USER_CLASS, {})),
        call(named("__builtin__", "bytearray"), module(USER_CLASS, {})),
        call(named("torch._utils", "_rebuild_parameter"), module(USER_CLASS, {}), b"\x88", b"}"),
        call(named("collections", "OrderedDict")) + module(USER_CLASS, {}) + b"b",
        call(named("collections", "OrderedDict")) + tuple_of(b"N", module(USER_CLASS, {})) + b"b",
        named("__builtin__", "frozenset") + tuple_of(module(USER_CLASS, {})) + b"\x81",
        call(
            FROM_TYPE,
            named("torch._utils", "_rebuild_parameter"),
            named("torch", "Tensor"),
            tuple_of(module(USER_CLASS, {}), b"\x88", b"}"),
            b"N",
        ),
    ],
)
def test_an_instance_that_a_known_function_would_ask_is_reported(called: bytes) -> None:
    assert unsafe(called) == {"shop.nets.Net"}


@pytest.mark.parametrize(
    ("qualified", "excusable"),
    [
        ("torchvision.models.resnet.ResNet", True),
        ("timm.models.vision_transformer.VisionTransformer", True),
        ("transformers.models.bert.modeling_bert.BertModel", True),
        ("ultralytics.nn.tasks.DetectionModel", True),
        ("segmentation_models_pytorch.decoders.unet.model.Unet", True),
        ("sentence_transformers.SentenceTransformer.SentenceTransformer", True),
        ("numpyro_nets.Net", True),
        ("torch.nn.parallel.data_parallel.DataParallel", True),
        ("torch.ao.quantization.stubs.QuantStub", True),
        ("torch.quantization.observer.MinMaxObserver", True),
        ("torch.optim.swa_utils.AveragedModel", True),
        ("torch.utils.data.datapipes.datapipe._DataPipeSerializationWrapper", False),
        ("torch.utils.data.datapipes.datapipe._IterDataPipeSerializationWrapper", False),
        ("torch.distributed.nn.api.remote_module._RemoteModule", False),
        ("torch.package.package_importer.PackageImporter", False),
        ("torch.hub.X", False),
        ("mlflow.pyfunc.PyFuncModel", False),
        ("numpy.X", False),
        ("pandas.core.frame.DataFrame", False),
        ("scipy.sparse.X", False),
        ("sklearn.pipeline.Pipeline", False),
        ("joblib.parallel.Parallel", False),
        ("cloudpickle.cloudpickle.X", False),
        ("dill._dill.X", False),
        ("setuptools.X", False),
        ("pkg_resources.X", False),
        ("pip._internal.X", False),
        ("subprocess.Popen", False),
    ],
)
def test_which_packages_may_define_modules(qualified: str, excusable: bool) -> None:
    package, _, name = qualified.rpartition(".")
    assert may_be_module_class(GlobalName(package, name)) is excusable
    assert unsafe(module(named(package, name), {})) == (set() if excusable else {qualified})


@pytest.mark.parametrize(
    ("package", "name", "known"),
    [
        ("torch.nn.modules.linear", "Linear", True),
        ("torch.nn.modules", "Linear", True),
        ("torch.ao.nn.quantized.modules.linear", "Linear", True),
        ("torch.nn.intrinsic.qat.modules.conv_fused", "ConvBn2d", True),
        ("torch.nn.quantized.dynamic.modules.rnn", "LSTM", True),
        ("torch.nn.modules.conv", "_ConvNd", False),
        ("torch.nn.modules.module", "sys", False),
        ("torch.nn.modules.Upper", "Linear", False),
        ("torch.nn..modules", "Linear", False),
        ("torch.nn.modules.", "Linear", False),
        ("torch.nn.utils.rnn", "PackedSequence", False),
        ("torch.ao.modules", "Linear", False),
        ("torch.modules", "Linear", False),
        ("xtorch.nn.modules.linear", "Linear", False),
        ("torch.nn" + ".modules" * 50, "Linear!", False),
    ],
)
def test_which_classes_of_torch_are_layers(package: str, name: str, known: bool) -> None:
    assert is_known(GlobalName(package, name), script=False) is known


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
