"""Which globals a model's pickle may name without being reported.

Known are tensors and what describes them, plain containers, and the classes and activation
functions of ``torch.nn``.  Everything else is reported, with one exception that the pickle machine
makes: a user's own module class, which is only ever instantiated without arguments and given a
module's state.  A dotted name is an attribute chain and never known.
"""

from __future__ import annotations

import re
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
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

_MODULE_CLASS: Final = re.compile(
    r"torch\.(ao\.)?nn(\.[a-z_0-9]+)*\.modules(\.[a-z_0-9]+)*\.[A-Z][A-Za-z0-9]*"
)
_SCRIPT_CLASS: Final = re.compile(r"__torch__(\.\w+)+")
_IDENTIFIERS: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

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
    if "." in name.name:
        return False
    qualified = name.qualified
    return (
        qualified in CALLABLE
        or qualified in _VALUES
        or storage_dtype(name.module, name.name) is not None
        or torch_dtype(name.module, name.name) is not None
        or _MODULE_CLASS.fullmatch(qualified) is not None
        or (script and _SCRIPT_CLASS.fullmatch(qualified) is not None)
    )


def may_be_module_class(name: GlobalName) -> bool:
    """Tell whether this global can be somebody's module class: no attribute chain, no standard library."""
    return (
        "." not in name.name
        and _IDENTIFIERS.fullmatch(name.qualified) is not None
        and (name.module == "__main__" or name.module.partition(".")[0] not in _STANDARD_LIBRARY)
    )
