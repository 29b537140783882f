"""Figures of the public table of contest models, made without the gate: sums and counted pairs alone.

    python -m tests.study.contest_figures pgdl_generalization_gap.csv > tests/data/contest_figures.json

The table (columns task, subgroup, generalization_gap and four measures; 150 models) is that of the
repository cadurosar/pgdl, MIT licence, copyright 2020 Carlos Eduardo Rosar Kos Lassance.  It stays
where it is; what is kept here are counts and slopes per sub-group.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any, Final

QUALITY: Final = "generalization_gap"
METRICS: Final = ("VPM_1", "VPM_80", "VR", "WCV")

Pairs = list[tuple[float, float]]


def line(pairs: Pairs) -> tuple[float, float, float]:
    """Slope, R² and root mean squared residual by the textbook's sums."""
    n = len(pairs)
    mean_x, mean_y = math.fsum(x for x, _ in pairs) / n, math.fsum(y for _, y in pairs) / n
    xx = math.fsum((x - mean_x) ** 2 for x, _ in pairs)
    yy = math.fsum((y - mean_y) ** 2 for _, y in pairs)
    xy = math.fsum((x - mean_x) * (y - mean_y) for x, y in pairs)
    return xy / xx, xy * xy / (xx * yy), math.sqrt((yy - xy * xy / xx) / n)


def tau_b(pairs: Pairs) -> float:
    """Kendall's τ-b by counting every pair (Kendall 1970): concordant less discordant, ties in the root."""
    score, untied_x, untied_y = counted_pairs(pairs)
    return score / math.sqrt(untied_x * untied_y)


def counted_pairs(pairs: Pairs) -> tuple[int, int, int]:
    """Concordant less discordant pairs; pairs that differ in x; pairs that differ in y."""
    score = untied_x = untied_y = 0
    for (x, y), (other_x, other_y) in combinations(pairs, 2):
        in_x, in_y = (x > other_x) - (x < other_x), (y > other_y) - (y < other_y)
        score, untied_x, untied_y = score + in_x * in_y, untied_x + abs(in_x), untied_y + abs(in_y)
    return score, untied_x, untied_y


def figures(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Sizes of the sub-groups and, per metric, the figures of each and of all models together."""
    sizes = Counter(f"{row['task']} / {row['subgroup']}" for row in rows)
    return {
        "sizes": dict(sizes),
        "metrics": {metric: _of_metric(rows, metric, list(sizes)) for metric in METRICS},
    }


def _of_metric(rows: list[dict[str, str]], metric: str, groups: list[str]) -> dict[str, Any]:
    known = [(f"{row['task']} / {row['subgroup']}", float(row[metric]), float(row[QUALITY])) for row in rows]
    by_group = {group: _figures([(x, y) for held, x, y in known if held == group]) for group in groups}
    return {"groups": by_group, "pooled": _figures([(x, y) for _, x, y in known])}


def _figures(pairs: Pairs) -> dict[str, float]:
    slope, r2, rmse = line(pairs)
    score, untied_x, untied_y = counted_pairs(pairs)
    return {
        "n": len(pairs), "slope": slope, "r2": r2, "rmse": rmse, "kendall_tau": tau_b(pairs), "score": score,
        "untied_x": untied_x, "untied_y": untied_y,
    }  # fmt: skip


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8", newline="") as file:
        json.dump(figures(list(csv.DictReader(file))), sys.stdout, indent=1)
        sys.stdout.write("\n")
