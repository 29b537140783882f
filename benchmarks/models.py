"""Default metrics of real models: wall time against WeightWatcher's ``analyze()``."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

from benchmarks.common import Options, Section, at_least, cpu, say, seconds, times, wall
from benchmarks.comparison import Comparison, Variant, compare
from benchmarks.tensors import MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.common import Target

TITLE: Final = "Default metrics of real models"
VARIANTS: Final = (
    Variant("default", {}),
    Variant("same rules", {"convention": "weightwatcher-0.7"}),
    Variant("one thread", {"jobs": 1}),
)
_TEXT: Final = """
`gate.analyze(tensors)` against `WeightWatcher(model=tensors).analyze()` on the same tensors in memory,
both in processes that stay alive and take turns; medians of the turns, and the ratio is the median of the
turns' ratios. WeightWatcher is measured on one BLAS thread and on one per core, and the better is taken.
*Same rules* is the convention `weightwatcher-0.7`: its layers, its thresholds, its numbers to 1e-9. *One
thread* compares CPU time, `jobs=1` against the thriftier of its settings.
"""
_QUICK: Final = ("silero", "magika")


def run(options: Options) -> Section:
    """Measure every reference model."""
    names = _QUICK if options.quick else tuple(MODELS)
    found = []
    for name in names:
        say(f"  {name}")
        found.append(compare(MODELS[name].tensors(), VARIANTS, options, 1 if options.quick else 9))
    return Section(
        title=TITLE,
        text=_TEXT,
        header=(
            "model",
            "layers",
            "WeightWatcher",
            "threads",
            "gate",
            "times faster",
            "same rules",
            "CPU, one thread",
        ),
        rows=tuple(_row(MODELS[name].title, result) for name, result in zip(names, found, strict=True)),
        targets=_targets([result.ratio("default") for result in found]),
    )


def _row(title: str, result: Comparison) -> tuple[str, ...]:
    reference_cpu = result.reference_cpu
    alone = None if reference_cpu is None else reference_cpu / cpu(result.engine["one thread"])
    return (
        title,
        str(result.engine["default"][0].details["layers"]),
        seconds(result.reference_wall),
        str(result.reference_threads or "–"),
        seconds(wall(result.engine["default"])),
        times(result.ratio("default")),
        times(result.ratio("same rules")),
        times(alone),
    )


def _targets(ratios: Sequence[float | None]) -> tuple[Target, ...]:
    known = [ratio for ratio in ratios if ratio is not None]
    return (
        at_least("median at least 8 times", statistics.median(known) if known else None, 8),
        at_least("none under 6 times", min(known, default=None), 6),
    )
