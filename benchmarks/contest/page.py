"""Writes docs/explanation/mini-contest.md and its drawings from the committed tables alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from benchmarks.contest.answers import QUESTIONS, by_run, collapsed
from benchmarks.contest.design import COPIES, DEPTHS, FAMILIES, PER_GROUP, RANDOM_LABELS
from benchmarks.contest.drawing import Panel, Series, draw
from benchmarks.contest.networks import QUALITY, TRAINING_QUALITY, models
from gate.study import ModelRow, StudySettings, study
from gate.study.formats import render_study

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.contest.looks import Look
    from gate.study import Study

NAMES: Final = {"dense": "Multilayer perceptrons", "convolution": "Convolutional networks"}
SHOWN: Final = {"alpha": "alpha", "log_spectral_norm": "log spectral norm", "alpha_weighted": "AlphaHat"}
SETTINGS: Final = StudySettings(min_group=5)

_INTRODUCTION: Final = f"""# The mini-contest: which metric knows a good network

Written by `make contest` (`python -m benchmarks.contest`) from the tables beside it. Nothing here was
typed in: the answers follow from the figures by rules that stand in `benchmarks/contest/answers.py`. The
design was committed before the first network was measured, the questions and those rules before the table
was there; nothing was tuned afterwards.

The question is that of Martin & Mahoney's study of a deep learning contest
([arXiv:2106.00734](https://arxiv.org/abs/2106.00734)): which figure of a network's weights says how well it
does on data it has not seen? They found that figures of *scale* (norms) may order networks one way within
each sub-group of the same depth and the other way over all, Simpson's paradox, that *shape* (alpha) goes
with hyperparameters, and that their product, AlphaHat, serves both. Here it is asked of
{len(FAMILIES) * len(DEPTHS) * PER_GROUP} small networks that anybody can train in about half an hour.

- **Data**: scikit-learn's 1,797 handwritten digits of 8×8 pixels; 599 train, 1,198 test.
- **Networks**: two families, multilayer perceptrons and VGG-like convolutional networks, of {DEPTHS[0]},
  {DEPTHS[1]} and {DEPTHS[2]} weight layers: {len(FAMILIES) * len(DEPTHS)} sub-groups of {PER_GROUP}. Every
  sub-group holds the same {PER_GROUP} settings of width, batch size, dropout, weight decay, learning rate and
  share of random labels ({", ".join(f"{share:.0%}" for share in RANDOM_LABELS)}), drawn once so that each
  level is equally frequent (`benchmarks/contest/design.py`).
- **Registered**: each is a version in an MLflow registry (`.contest/`), with its accuracies, and measured
  through `models:/NAME/VERSION`. [All figures](../assets/contest/networks.csv). To look at them with the gate
  itself: `gate study docs/assets/contest/networks.csv --group group --quality test_accuracy`, or, over the
  registry, `gate study experiment:mini-contest --group param:group --quality test_accuracy --tracking-uri
  sqlite:///.contest/mlflow.db`.
- **Copies**: {COPIES} more of one network of each family, for
  [how sure a comparison is](significance.md).
"""


def write_page(docs: Path, table: Sequence[Mapping[str, str]], looks: Sequence[Look]) -> dict[str, Study]:
    """Write the page and its drawings into ``docs``; return the studies by family."""
    rows = models(table)
    studies: dict[str, Study] = {family: study_of(rows, family) for family in FAMILIES}
    assets = docs / "assets" / "contest"
    assets.mkdir(parents=True, exist_ok=True)
    for family, found in studies.items():
        (assets / f"{family}.svg").write_text(_scatter(family, found), encoding="utf-8")
    for number, (name, seen) in enumerate(by_run(looks).items(), start=1):
        (assets / f"collapse-{number}.svg").write_text(_curves(name, seen), encoding="utf-8")
    page = "\n".join(_page(rows, studies, looks))
    (docs / "explanation" / "mini-contest.md").write_text(page, encoding="utf-8")
    return studies


def study_of(rows: Sequence[ModelRow], family: str, random_labels: str | None = None) -> Study:
    """Study one family by depth, of all its networks or those with one share of random labels."""
    chosen = [
        row
        for row in rows
        if row.labels["family"] == family and random_labels in {None, row.labels["random_labels"]}
    ]
    return study(chosen, "depth", QUALITY, training_quality=TRAINING_QUALITY, settings=SETTINGS)


def _page(rows: Sequence[ModelRow], studies: Mapping[str, Study], looks: Sequence[Look]) -> Iterator[str]:
    yield _INTRODUCTION
    yield "## The answers\n"
    yield from answered(rows, studies)
    yield _CAUTION
    for family, found in studies.items():
        yield f"## {NAMES[family]}\n"
        yield f"![Test accuracy over alpha, log spectral norm and AlphaHat](../assets/contest/{family}.svg)\n"
        yield re.sub("^#", "##", render_study(found, "markdown"), flags=re.MULTILINE)
    yield "## Training far too long\n"
    yield _GROKKING
    for number, (name, seen) in enumerate(by_run(looks).items(), start=1):
        yield f"- *{name}*: {collapsed(seen)}\n"
        yield f"  ![Accuracy, alpha and traps over steps](../assets/contest/collapse-{number}.svg)\n"


def answered(rows: Sequence[ModelRow], studies: Mapping[str, Study]) -> Iterator[str]:
    """Yield the questions with their answers, of all networks and of those trained on true labels alone."""
    clean: dict[str, Study] = {family: study_of(rows, family, "0") for family in FAMILIES}
    for question, answer, metric in QUESTIONS:
        yield f"**{question}**\n"
        for family, found in studies.items():
            yield f"- {NAMES[family]}: {answer(found, metric)}"
            yield f"  - without random labels: {answer(clean[family], metric)}"
        yield ""


_GROKKING: Final = """Prakash & Martin ([arXiv:2506.04434](https://arxiv.org/abs/2506.04434)) train a
perceptron on a thousand images for ten million steps: test accuracy rises late (grokking) and in the end
falls again while training accuracy stays perfect (*anti-grokking*), with layers whose alpha is below 2 and
with correlation traps, large eigenvalues that survive shuffling. Two runs of their kind, of minutes instead
of hours: one at a usual learning rate, and one at ten times that. Both were fixed before they were looked at,
but for one thing: after the first 120,000 steps of each, the second was run again for longer.
[The curve](../assets/contest/collapse.csv); the code is `benchmarks/contest/collapse.py`.
"""

_CAUTION: Final = """What this can and cannot say: these are tiny networks on an easy task, trained for 40
epochs, with hidden layers of 64 to 864 eigenvalues. It shows what the figures do here, not what they do on a
large model; for yours, run [`gate study`](../reference/commands.md) on your own registry.
"""


def _scatter(family: str, found: Study) -> str:
    panels = []
    for name, words in SHOWN.items():
        metric = found.metric(name)
        series = [
            Series(
                f"depth {group.group}",
                [
                    (value, model.quality)
                    for model in found.models
                    if model.group == group.group and (value := model.metrics[name]) is not None
                ],
                group.slope,
                group.intercept,
            )
            for group in metric.groups
        ]
        everything = [point for each in series for point in each.points]
        pooled = Series("all", everything, metric.pooled.slope, metric.pooled.intercept, dashed=True)
        panels.append(Panel(words, "test accuracy", [*series, pooled]))
    return draw(NAMES[family], panels)


def _curves(name: str, looks: Sequence[Look]) -> str:
    accuracy = [
        Series("training", [(look.step, look.train_accuracy) for look in looks], joined=True),
        Series("test", [(look.step, look.test_accuracy) for look in looks], joined=True),
    ]
    alphas = [
        Series(f"layer {layer}", points, joined=True)
        for layer in (1, 2)
        if (
            points := [
                (look.step, value) for look in looks if (value := getattr(look, f"alpha_{layer}")) is not None
            ]
        )
    ]
    traps = [
        Series(
            f"layer {layer}",
            [(look.step, getattr(look, f"traps_{layer}") or 0) for look in looks],
            joined=True,
        )
        for layer in (1, 2)
    ]
    panels = [
        Panel("steps", "accuracy", accuracy, log=True),
        Panel("steps", "alpha", alphas, log=True, level=2.0),
        Panel("steps", "correlation traps", traps, log=True),
    ]
    return draw(name, panels)
