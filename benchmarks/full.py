"""Every metric: Marchenko-Pastur, shuffles, tails, against WeightWatcher's fullest ``analyze()``."""

from __future__ import annotations

from typing import Final

from benchmarks.common import Options, Section, at_least, say, seconds, times, wall
from benchmarks.comparison import Variant, compare
from benchmarks.tensors import MODELS

TITLE: Final = "Full mode"
MEASURED: Final = ("silero", "magika", "rapidocr-det", "lite0")
VARIANTS: Final = (Variant("full", {"full": True}),)
REFERENCE: Final = {"mp_fit": True, "randomize": True, "detX": True}
_TEXT: Final = """
`gate.analyze(tensors, full=True)` (the Marchenko-Pastur fit, correlation traps from a shuffle, phases, other
tails with their likelihood-ratio tests, alpha at a fixed aspect ratio, the trace-log condition) against
`analyze(mp_fit=True, randomize=True, detX=True)`, which has fewer metrics. Wall time as above.
"""


def run(options: Options) -> Section:
    """Measure some of the reference models; the other tool takes a minute for the largest."""
    names = MEASURED[:1] if options.quick else MEASURED
    rows, ratios = [], []
    for name in names:
        say(f"  {name}")
        result = compare(MODELS[name].tensors(), VARIANTS, options, 1 if options.quick else 2, REFERENCE)
        ratio = result.ratio("full")
        ratios.append(ratio)
        rows.append(
            (
                MODELS[name].title,
                seconds(result.reference_wall),
                str(result.reference_threads or "–"),
                seconds(wall(result.engine["full"])),
                times(ratio),
            )
        )
    known = [ratio for ratio in ratios if ratio is not None]
    return Section(
        title=TITLE,
        text=_TEXT,
        header=("model", "WeightWatcher", "threads", "gate", "times faster"),
        rows=tuple(rows),
        targets=(at_least("at least 40 times, every model", min(known, default=None), 40),),
    )
