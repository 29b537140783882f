"""Symbolic sizes of an exported graph: torch evaluates their text when it loads the package.

``torch._export.serde.serialize`` hands each ``expr_str`` of ``models/NAME.json`` to
``sympy.sympify``, which is ``eval`` over sympy's names.  Arithmetic over symbols (``2*s77``,
``Max(Integer(1), Symbol('s0'))``) is what exports contain; any other text is reported like an unknown global.
"""

from __future__ import annotations

import json
import re
from typing import Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.bytes_in_file import CUT_SHORT

_ARITHMETIC: Final = re.compile(r"[A-Za-z0-9_ +*/%(),<>=!&|~.-]*")
_CALLED: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)\s*\(")
_FUNCTION: Final = re.compile(r"[A-Z][A-Za-z0-9]*|floor|ceiling|sqrt|log|exp|sin|cos|tan|and|or|not")
_NAMED: Final = re.compile(r"\b(Symbol|Float)\('[A-Za-z0-9_.+-]*'")  # how sympy writes its leaves out
_REACHING: Final = re.compile(r"__|\.\s*[A-Za-z_]")
_MAX_SHOWN: Final = 60
_MAX_GRAPH_BYTES: Final = 256 * 2**20  # the graph of a large language model takes some 50 MB


def unsafe_expressions(graph: memoryview) -> frozenset[str]:
    """Return the expressions of a serialised graph that are more than arithmetic, as they would run.

    Raises
    ------
    gate.errors.ModelError
        The graph is no JSON.
    gate.errors.UnsafeModelError
        It is larger than any real graph.
    """
    if len(graph) > _MAX_GRAPH_BYTES:
        raise UnsafeModelError(f"its graph takes {len(graph)} bytes")
    texts: set[str] = set()

    def collect(pairs: list[tuple[str, object]]) -> None:
        # nothing else is kept, so that parsing takes little more memory than the text
        texts.update(value for key, value in pairs if key == "expr_str" and isinstance(value, str))

    try:
        json.loads(bytes(graph).decode("utf-8"), object_pairs_hook=collect)
    except (ValueError, RecursionError) as error:
        raise ModelError("its graph is no JSON", hint=CUT_SHORT) from error
    return frozenset(f"sympy.sympify({_shown(text)})" for text in texts if not _is_arithmetic(text))


def _is_arithmetic(text: str) -> bool:
    text = _NAMED.sub(r"\1(", text)
    return (
        _ARITHMETIC.fullmatch(text) is not None
        and _REACHING.search(text) is None
        and all(_FUNCTION.fullmatch(name) for name in _CALLED.findall(text))
    )


def _shown(text: str) -> str:
    return ascii(text[:_MAX_SHOWN])
