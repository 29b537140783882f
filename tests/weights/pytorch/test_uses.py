"""Which globals a pickle is reported for, and how a module of one's own is told from any other object."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from gate.weights.pytorch.known import is_known, may_be_module_class
from gate.weights.pytorch.values import GlobalName
from tests.weights.pytorch.containers import (
    LINEAR,
    PROTO,
    USER_CLASS,
    call,
    dict_of,
    integer,
    module,
    named,
    tensor,
    text,
    tuple_of,
    unsafe,
)

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM = named("os", "system")
FROM_TYPE = named("torch._tensor", "_rebuild_from_type_v2")
RECONSTRUCT = named("copy_reg", "_reconstructor")


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
