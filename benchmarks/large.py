"""Large matrices, in float64 and with the named option ``float32``."""

from __future__ import annotations

from typing import Final

from benchmarks.common import Options, Section, Target, at_least, say, seconds, times, wall
from benchmarks.comparison import Comparison, Variant, compare
from benchmarks.tensors import billion_block, gaussian

TITLE: Final = "Large matrices"
VARIANTS: Final = (Variant("float64", {}), Variant("float32", {"float32": True}))
_TEXT: Final = """
Seeded float32 matrices: the seven of one block of a model of a billion parameters (four projections up to
2048×2048, three of 2048×8192), and a single 4096×4096. Wall time as above; `float32` is the option of
that name, which every layer's flags mention.
"""


def run(options: Options) -> Section:
    """Measure both."""
    small = options.quick
    subjects = {
        "block of a 1B model, 7 matrices": billion_block(16 if small else 1),
        "4096×4096": gaussian({"matrix": (256, 256) if small else (4096, 4096)}),
    }
    found = {}
    for name, tensors in subjects.items():
        say(f"  {name}")
        found[name] = compare(tensors, VARIANTS, options, 1 if small else 3)
    return Section(
        title=TITLE,
        text=_TEXT,
        header=(
            "weights",
            "WeightWatcher",
            "threads",
            "gate, float64",
            "times faster",
            "gate, float32",
            "times faster",
        ),
        rows=tuple(_row(name, result) for name, result in found.items()),
        targets=tuple(target for name, result in found.items() for target in _targets(name, result)),
    )


def _row(name: str, result: Comparison) -> tuple[str, ...]:
    return (
        name,
        seconds(result.reference_wall),
        str(result.reference_threads or "–"),
        seconds(wall(result.engine["float64"])),
        times(result.ratio("float64")),
        seconds(wall(result.engine["float32"])),
        times(result.ratio("float32")),
    )


def _targets(name: str, result: Comparison) -> tuple[Target, Target]:
    return (
        at_least(f"{name}: at least 5 times in float64", result.ratio("float64"), 5),
        at_least(f"{name}: at least 8 times in float32", result.ratio("float32"), 8),
    )
