"""Names that the person who built the model recognises, made unique.

Exporters keep a parameter's own name where they store it as it was ("encoder.fc1.weight"), and
invent one where they changed it ("onnx::MatMul_123").  Then the path of the node that uses it still
carries the module's name, or the bias beside it does; the path comes first, since optimisers let many
nodes share one of several equal biases.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.weights.onnx.records import Node
    from gate.weights.onnx.values import Path
    from gate.weights.onnx.walk import Found

_INLINED: Final = re.compile(r"^(?:F\d+::)?(?:\w+?__Inline_\d+__)+/?")
"""What spox puts before the names of a model that it inlined into a branch."""

_SUFFIX: Final = re.compile(
    r"(:\d+|_quantized|_quant|_transposed|_reshaped|_fp16|_DequantizeLinear_Output|_Q4|_Q4G\d+)$"
)
_PARAMETER: Final = re.compile(r"(?<=.)[./](weight|kernel|w_0)$")
_INVENTED: Final = re.compile(
    r"""(onnx::\w+|_?(const(ant)?(_fold_opt_)?|val|value|var|tmp|tensor|initializer|ortshared|p2o|node|
    matmul|gemm|conv|lstm|gru|rnn)?[_.:\d]*(_?output[_\d]*)?|\w*[0-9a-f]{24,}\w*)""",
    re.IGNORECASE | re.VERBOSE,
)
_OPERATION: Final = re.compile(
    r"""(Fused|QLinear|Dynamic\w+)?(ReadVariableOp|Identity|Cast|Tensordot|Einsum|MatMul\w*|Gemm|
    Conv(Transpose)?(1D|2D|3D)?|ConvInteger|BiasAdd|[Tt]ranspose|[Rr]eshape|Squeeze|Unsqueeze|Gather(V2)?|
    Constant|Const|LSTM|GRU|RNN|Attention)([_:\d]*)""",
    re.VERBOSE,
)
"""The last scope of a path, the operation itself; scopes before it are modules, but for these:"""
_INNER: Final = re.compile(r"Tensordot|[Ee]insum|MatMul|BiasAdd|Conv2D|ReadVariableOp|Identity|Cast")
_WRAPPER: Final = re.compile(r"(|jax2tf\w*|pjit\w*|StatefulPartitionedCall([_:\d]*))")
_REVERSE: Final = "_reverse"
_RECURRENT: Final = "weight_"
_STACKED: Final = re.compile(r"/(?:LSTM|GRU|RNN)(?:_(\d+))?$")


def names(found: Sequence[Found]) -> list[str]:
    """Return one name a weight: readable, unique, the same for the same file."""
    return _unique([_base(item, order) for order, item in enumerate(found)])


def _base(found: Found, order: int) -> tuple[str, Path]:
    """Return the name wanted, and the path that tells it from others of that name."""
    weight, leaves = found.weight, found.weight.value.leaves
    stored = module_name(leaves[0].name) if len(leaves) == 1 else ""
    role = weight.role
    if stored and (weight.value.whole or role.startswith(_RECURRENT)):
        return stored + (_REVERSE if role.endswith(_REVERSE) and not weight.value.whole else ""), leaves[
            0
        ].path
    beside = re.sub(r"[./](bias|BiasAdd/ReadVariableOp:0)$", "", _INLINED.sub("", found.bias))
    biased = module_name(beside) if beside != found.bias else ""
    own = node_name(found.node)
    by_path = own if "/" in found.node.name else ""
    given = by_path or biased or own or stored
    given = given or f"{found.node.operator}_{order}"
    return f"{given}.{_numbered(role, found.node)}" if role else given, found.path


def _numbered(role: str, node: Node) -> str:
    """Return a recurrent role with its layer's number, as PyTorch calls it: its second layer is LSTM_1."""
    match = _STACKED.search(node.name)
    if match is None or not role.startswith(_RECURRENT):
        return role
    stem, reverse, _ = role.partition(_REVERSE)
    return f"{stem}_l{match[1] or 0}{reverse}"


def module_name(tensor: str) -> str:
    """Return the name of the module that a parameter called ``tensor`` belongs to, "" if invented."""
    name = _INLINED.sub("", tensor)
    while (shorter := _SUFFIX.sub("", name)) != name:
        name = shorter
    if _INVENTED.fullmatch(name.rpartition("/")[2]):
        return ""
    return _PARAMETER.sub("", _dotted(name))


def node_name(node: Node) -> str:
    """Return the name of the module that ``node`` was exported from, or the node's own."""
    name = _INLINED.sub("", node.name)
    while (shorter := _SUFFIX.sub("", name)) != name:
        name = shorter
    return _dotted(name) if "/" in name else name.removeprefix("node_")


def _dotted(name: str) -> str:
    """Return a path of scopes with dots, without the steps inside the module and the wrappers around."""
    if "/" not in name:
        return name
    scopes = [scope for scope in name.split("/") if not _WRAPPER.fullmatch(scope)]
    if len(scopes) > 1 and _OPERATION.fullmatch(scopes[-1]):
        scopes.pop()
    while len(scopes) > 1 and _INNER.fullmatch(scopes[-1]):
        scopes.pop()
    return ".".join(scopes)


def _unique(wanted: Sequence[tuple[str, Path]]) -> list[str]:
    """Return the names; where several are the same, with the branch, then the node, then a number."""
    chosen = [name for name, _ in wanted]
    for spell in (_branches, _nodes):
        uses = Counter(chosen)
        chosen = [
            ".".join([*spell(path), name]) if uses[current] > 1 else current
            for current, (name, path) in zip(chosen, wanted, strict=True)
        ]
    taken, numbers = set(chosen), Counter[str]()
    result = []
    for name in chosen:
        numbers[name] += 1
        unique = name
        while numbers[name] > 1 and unique in taken:
            unique = f"{name}#{numbers[name]}"
            numbers[name] += unique in taken
        taken.add(unique)
        result.append(unique)
    return result


def _branches(path: Path) -> list[str]:
    return [branch or node for node, branch in path]


def _nodes(path: Path) -> list[str]:
    return [f"{_INLINED.sub('', node)}.{branch}" if branch else node for node, branch in path]
