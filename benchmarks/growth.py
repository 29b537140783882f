"""How cost grows with the size of a matrix and with the number of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.common import Options, Section, Target, at_most, cpu, say, seconds
from benchmarks.comparison import Comparison, Variant, compare
from benchmarks.svg import Line, log_log
from benchmarks.tensors import gaussian

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLE: Final = "How cost grows"
_VARIANT: Final = (Variant("one thread", {"jobs": 1}),)
_WIDTH: Final = (512, 256)
_STEEPEST: Final = 3.1
_PER_LAYER: Final = 1.1
_TEXT: Final = """
Square Gaussian matrices by size, and models of equal layers of {width} by their number; CPU time, `jobs=1`
and one BLAS thread on the other side. Eigenvalues need O(n³) operations and layers are independent, so
the slopes on logarithmic axes should come near 3 for large n and near 1, and not exceed them.
"""


def run(options: Options) -> Section:
    """Measure both growths."""
    sizes = (64, 128) if options.quick else (32, 64, 128, 256, 512, 1024, 2048, 4096)
    counts = (1, 2) if options.quick else (1, 2, 4, 8, 16, 32, 64, 128)
    by_size, by_count = [], []
    for size in sizes:
        say(f"  {size}×{size}")
        by_size.append(_measure({"matrix": (size, size)}, options, 1 if size > 1024 else 3))  # noqa: PLR2004
    for count in counts:
        say(f"  {count} layers")
        by_count.append(_measure({f"layers.{number}": _WIDTH for number in range(count)}, options, 3))
    upper = [place for place, size in enumerate(sizes) if size >= min(512, sizes[-2])]
    steepness = _slope([sizes[at] for at in upper], [_own(by_size[at]) for at in upper])
    per_layer = _slope(counts, [_own(found) for found in by_count])
    return Section(
        title=TITLE,
        text=_TEXT.format(width=f"{_WIDTH[0]}×{_WIDTH[1]}"),
        header=("weights", "WeightWatcher", "gate"),
        rows=(
            *(_row(f"{size}×{size}", found) for size, found in zip(sizes, by_size, strict=True)),
            *(
                _row(f"{count} layers of {_WIDTH[0]}×{_WIDTH[1]}", found)
                for count, found in zip(counts, by_count, strict=True)
            ),
        ),
        targets=_targets(steepness, per_layer),
        plots=(
            ("cost-by-size.svg", "CPU time of one n×n matrix against n"),
            ("cost-by-layers.svg", "CPU time against the number of layers"),
        ),
        drawings=(
            _draw("CPU time of one n×n matrix", "n", sizes, by_size),
            _draw("CPU time of a model of equal layers", "layers", counts, by_count),
        ),
    )


def _measure(shapes: dict[str, tuple[int, ...]], options: Options, repeats: int) -> Comparison:
    return compare(gaussian(shapes), _VARIANT, options, repeats)


def _own(found: Comparison) -> float:
    return cpu(found.engine["one thread"])


def _row(name: str, found: Comparison) -> tuple[str, ...]:
    return name, seconds(found.reference_cpu), seconds(_own(found))


def _slope(places: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of the least-squares line on logarithmic axes."""
    return float(np.polyfit(np.log(places), np.log(values), 1)[0])


def _targets(steepness: float, per_layer: float) -> tuple[Target, Target]:
    return (
        at_most("slope over n from 512 on at most 3, within 0.1", steepness, _STEEPEST),
        at_most("slope over layers at most 1, within 0.1", per_layer, _PER_LAYER),
    )


def _draw(title: str, axis: str, places: Sequence[int], found: Sequence[Comparison]) -> str:
    lines = [Line("gate", list(zip(places, map(_own, found), strict=True)))]
    other = [
        (place, spent) for place, each in zip(places, found, strict=True) if (spent := each.reference_cpu)
    ]
    if other:
        lines.append(Line("WeightWatcher", other))
    return log_log(title, axis, "seconds", lines)
