"""The table of the contest: one row a network, with its design, its accuracies and its figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from benchmarks.contest.design import Network
from benchmarks.contest.tables import number
from gate.study import ModelRow
from gate.study.build import engine_metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.contest.registry import Entry
    from gate.analysis.interface import Analysis

QUALITY: Final = "test_accuracy"
TRAINING_QUALITY: Final = "train_accuracy"
_QUALITIES: Final = (QUALITY, TRAINING_QUALITY, "train_loss")


def rows_of(
    networks: Iterable[Network], entries: Mapping[str, Entry], analyses: Mapping[str, Analysis]
) -> list[dict[str, Any]]:
    """Return the table, in the order of the design."""
    return [
        {
            **asdict(network),
            **{name: entries[network.id].metrics[name] for name in _QUALITIES},
            **{name: getattr(analyses[network.id].model, name) for name in engine_metrics()},
        }
        for network in networks
    ]


def models(table: Iterable[Mapping[str, str]]) -> list[ModelRow]:
    """Return the written table as what a study takes."""
    labels = [name for name in Network.__dataclass_fields__ if name != "id"]
    return [
        ModelRow(
            model=row["id"],
            metrics={name: number(row[name]) for name in engine_metrics()},
            qualities={name: number(row[name]) for name in _QUALITIES},
            labels={name: row[name] for name in labels},
        )
        for row in table
    ]
