"""Studies to render."""

from __future__ import annotations

from gate.study import LeftOut, ModelRow, Study, study
from tests.study.build import QUICK, planted, rows

HOSTILE = "</svg><script>alert(1)</script>\"'&`|\n\u202e=@x"


def plain() -> Study:
    """Three sub-groups in which alpha reverses, another metric, and training quality."""
    table = rows(planted([-1, -1, -1], [0, 1, 2]))
    table = [
        ModelRow(row.model, {**row.metrics, "mine": float(index)},
                 {**row.qualities, "train_accuracy": index / 36}, row.labels)
        for index, row in enumerate(table)
    ]  # fmt: skip
    return study(table, "depth", "test_accuracy", training_quality="train_accuracy", settings=QUICK)


def hostile() -> Study:
    """Every name in a study is a stranger's."""
    table = [
        ModelRow(HOSTILE + row.model, {HOSTILE: row.metrics["alpha"], HOSTILE + "2": float(index)},
                 {HOSTILE: row.qualities["test_accuracy"], HOSTILE + "train": float(index)},
                 {HOSTILE: HOSTILE + row.labels["depth"]})
        for index, row in enumerate(rows(planted([-1, -1], [0, 1])))
    ]  # fmt: skip
    return study(
        table, HOSTILE, HOSTILE, training_quality=HOSTILE + "train", settings=QUICK,
        left_out=[LeftOut(HOSTILE, HOSTILE)], notes=[HOSTILE], sources=[HOSTILE],
    )  # fmt: skip
