"""Which globals a model's pickle may name without being reported.

Known are tensors and what describes them, plain containers, and the classes and activation
functions of ``torch.nn``.  Everything else is reported, with one exception that the pickle machine
makes: a user's own module class, each use of which makes a bare instance that is given a module's
state, once.  A dotted name is an attribute chain and never known.
"""

from __future__ import annotations

import re
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from gate.weights.pytorch.dtypes import storage_dtype, torch_dtype
from gate.weights.pytorch.rebuild import TENSOR_FUNCTIONS

if TYPE_CHECKING:
    from gate.weights.pytorch.values import GlobalName

DICT_TYPES: Final = frozenset({"builtins.dict", "collections.Counter", "collections.OrderedDict"})
SEQUENCE_TYPES: Final = frozenset({"builtins.list"})
SET_TYPES: Final = frozenset({"builtins.set", "builtins.frozenset", "collections.deque"})

PASSED_THROUGH: Final = frozenset(
    {
        "builtins.tuple",
        "torch.Size",
        "torch.jit._pickle.build_boollist",
        "torch.jit._pickle.build_doublelist",
        "torch.jit._pickle.build_intlist",
        "torch.jit._pickle.build_tensorlist",
        "torch.jit._pickle.restore_type_tag",
    }
)
"""What returns its first argument, for our purposes."""

REBUILD_FROM_TYPE: Final = "torch._tensor._rebuild_from_type_v2"
RECONSTRUCTOR: Final = "copyreg._reconstructor"
NEW_OBJECT: Final = "copyreg.__newobj__"

CALLABLE: Final = (
    frozenset(TENSOR_FUNCTIONS)
    | DICT_TYPES
    | SEQUENCE_TYPES
    | SET_TYPES
    | PASSED_THROUGH
    | {
        REBUILD_FROM_TYPE,
        RECONSTRUCTOR,
        NEW_OBJECT,
        "_codecs.encode",  # how protocol 2 writes bytes
        "builtins.bytearray",
        "builtins.complex",
        "builtins.slice",
        "collections.defaultdict",
        "torch.device",
        "torch.serialization._get_layout",
        "torch.jit._pickle.build_tensor_from_id",
    }
)
"""What may be called: it makes a tensor, a container or a plain value, whatever the arguments."""

_ACTIVATIONS: Final = (
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "logsigmoid",
    "log_softmax",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
)

_VALUES: Final = (
    frozenset(f"torch.nn.functional.{name}" for name in _ACTIVATIONS)
    | frozenset(f"torch._C._nn.{name}" for name in _ACTIVATIONS)
    | frozenset(f"builtins.{name}" for name in ("bool", "bytes", "float", "int", "object", "str"))
    | {
        "torch.ScriptObject",
        "torch.Tensor",
        "torch.nn.parameter.Buffer",
        "torch.nn.parameter.Parameter",
        "torch.per_channel_affine",
        "torch.per_channel_affine_float_qparams",
        "torch.per_channel_symmetric",
        "torch.per_tensor_affine",
        "torch.per_tensor_symmetric",
        "torch.preserve_format",
        "torch.contiguous_format",
        "torch.channels_last",
        "torch.channels_last_3d",
    }
)
"""What may stand in the pickle as a value; calling one of these is reported."""

_PACKAGE_PART: Final = re.compile(r"[a-z_0-9]+")
_CLASS_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
_SCRIPT_CLASS: Final = re.compile(r"__torch__(\.\w+)+")
_IDENTIFIERS: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

_TORCH_MODULES: Final = frozenset(
    {
        "torch.ao.nn.quantizable.modules.rnn._LSTMLayer",
        "torch.ao.nn.quantizable.modules.rnn._LSTMSingleLayer",
        "torch.ao.nn.sparse.quantized.dynamic.linear.Linear",
        "torch.ao.nn.sparse.quantized.linear.Linear",
        "torch.ao.pruning.sparsifier.utils.FakeSparsity",
        "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.CheckpointWrapper",
        "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.OffloadWrapper",
        "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel",
        "torch.nn.parallel.data_parallel.DataParallel",
        "torch.nn.parallel.distributed.DistributedDataParallel",
        "torch.nn.utils.parametrizations._Orthogonal",
        "torch.nn.utils.parametrizations._SpectralNorm",
        "torch.nn.utils.parametrizations._WeightNorm",
        "torch.nn.utils.parametrize.ParametrizationList",
        "torch.optim.swa_utils.AveragedModel",
    }
) | frozenset(
    f"{package}.{name}"
    for package in ("torch.ao.quantization", "torch.quantization")
    for name in (
        "_learnable_fake_quantize._LearnableFakeQuantize",
        "fake_quantize.FakeQuantize",
        "fake_quantize.FixedQParamsFakeQuantize",
        "fake_quantize.FusedMovingAvgObsFakeQuantize",
        "observer.FixedQParamsObserver",
        "observer.HistogramObserver",
        "observer.MinMaxObserver",
        "observer.MovingAverageMinMaxObserver",
        "observer.MovingAveragePerChannelMinMaxObserver",
        "observer.NoopObserver",
        "observer.PerChannelMinMaxObserver",
        "observer.PlaceholderObserver",
        "observer.RecordingObserver",
        "observer.ReuseInputObserver",
        "stubs.DeQuantStub",
        "stubs.QuantStub",
        "stubs.QuantWrapper",
    )
)
"""Torch's own module classes outside its ``nn.modules`` packages.

They are excused as a user's are; nothing else of torch is: it has classes that unpickle, or ask another
process, when they are given a state.
"""

_NO_MODULES: Final = frozenset(
    {
        "IPython", "PIL", "_distutils_hack", "_pytest", "alembic", "azure", "boto3", "botocore", "celery",
        "certifi", "cffi", "click", "cloudpickle", "cryptography", "dask", "databricks", "dill", "django",
        "docker", "fastapi", "flask", "fsspec", "google", "gunicorn", "h5py", "ipykernel", "ipywidgets",
        "jinja2", "joblib", "jsonpickle", "llvmlite", "lxml", "mako", "matplotlib", "mlflow",
        "multiprocess", "networkx", "numba", "numexpr", "numpy", "onnx", "pandas", "paramiko", "pexpect",
        "pip", "pkg_resources", "polars", "psutil", "ptyprocess", "pyarrow", "pydantic", "pytest",
        "requests", "rich", "s3fs", "scipy", "setuptools", "six", "sklearn", "skops", "sqlalchemy",
        "starlette", "statsmodels", "sympy", "tensorflow", "tornado", "tqdm", "urllib3", "uvicorn",
        "virtualenv", "werkzeug", "wheel", "yaml", "zmq",
    }
)  # fmt: skip
"""Libraries that stand beside most models and define no modules: whatever is named of them is reported."""

_STANDARD_LIBRARY: Final = sys.stdlib_module_names | {
    # left the standard library between Python 3.10 and 3.13; the verdict must not depend on ours
    "aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils", "imghdr",
    "imp", "lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr",
    "spwd", "sunau", "telnetlib", "uu", "xdrlib",
}  # fmt: skip


def present_name(module: str, name: str) -> tuple[str, str]:
    """Return the Python 3 name of a global, as unpicklers translate Python 2's names."""
    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[module, name]
    return IMPORT_MAPPING.get(module, module), name


def is_known(name: GlobalName, *, script: bool) -> bool:
    """Tell whether a pickle may name this global; ``script`` admits TorchScript's own classes."""
    return _is_known(name.module, name.name, script)


@lru_cache(maxsize=1024)  # a pickle may ask after one name a million times
def _is_known(module: str, name: str, script: bool) -> bool:  # noqa: FBT001 - the cache keeps one form
    if "." in name:
        return False
    qualified = f"{module}.{name}"
    return (
        qualified in CALLABLE
        or qualified in _VALUES
        or storage_dtype(module, name) is not None
        or torch_dtype(module, name) is not None
        or _is_torch_layer(module, name)
        or (script and _SCRIPT_CLASS.fullmatch(qualified) is not None)
    )


def _is_torch_layer(module: str, name: str) -> bool:
    """Tell whether this is a class of ``torch.nn.modules``, or of a package like it (``torch.ao.nn.…``)."""
    package = module.split(".")
    root = ["torch", "ao", "nn"] if package[1:2] == ["ao"] else ["torch", "nn"]
    inner = package[len(root) :]
    return (
        package[: len(root)] == root
        and "modules" in inner
        and all(_PACKAGE_PART.fullmatch(part) for part in inner)
        and _CLASS_NAME.fullmatch(name) is not None
    )


def may_be_module_class(name: GlobalName) -> bool:
    """Tell whether this global can be somebody's module class.

    No attribute chain is one, nothing of the standard library or of a library without modules, and of
    torch only its own modules.
    """
    package = name.module.partition(".")[0]
    if package == "torch":
        return name.qualified in _TORCH_MODULES
    return (
        "." not in name.name
        and _IDENTIFIERS.fullmatch(name.qualified) is not None
        and (name.module == "__main__" or package not in _STANDARD_LIBRARY | _NO_MODULES)
    )
