"""What a study found, in words: which metrics may gate which changes, and where there is too little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.study.judgements import judge
from gate.study.words import group_word, listed
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.study.interface import Answer, Change, Judgement, MetricStudy, Study

_CHANGES: Final[tuple[Change, ...]] = ("hyperparameters", "architecture")


def advise(study: Study) -> tuple[tuple[Judgement, ...], tuple[str, ...]]:
    """Return the judgements and the words for them, the most useful first."""
    judgements = judge(study)
    words = [line for change in _CHANGES for line in _about(change, study, judgements)]
    return judgements, (
        *words,
        *_paradoxes(study),
        *_overtrained(study),
        *_too_little(study),
        *_caveats(study),
    )


def _where(change: Change, study: Study) -> str:
    key = printable(study.group)
    if change == "hyperparameters":
        return f"Between models of the same {key} (hyperparameters change)"
    return f"From one {key} to another (architecture changes)"


def _about(change: Change, study: Study, judgements: Sequence[Judgement]) -> Iterator[str]:
    where, held = _where(change, study), [each for each in judgements if each.change == change]
    allowed = _of(held, "may")
    if not allowed:
        yield f"{where}: no metric may gate {_quality(study)} on this evidence."
    for each in allowed:
        yield f"{where}: {_metric(study, each)} may gate, {each.better} is better: {each.evidence}."
    for each in _of(held, "may not"):
        yield f"{where}: {_metric(study, each)} may not gate: {each.evidence}."
    unshown = _of(held, "not shown")
    if unshown:
        yield f"{where}: not shown to go with {_quality(study)}: {listed(each.metric for each in unshown)}."
    reasons = dict.fromkeys(each.evidence for each in _of(held, "too little"))
    for reason in reasons:
        names = [each.metric for each in held if each.answer == "too little" and each.evidence == reason]
        yield f"{where}: too little to say for {listed(names)}: {reason}."


def _of(judgements: Sequence[Judgement], answer: Answer) -> list[Judgement]:
    """Return those with one answer, the strongest first."""
    found = [each for each in judgements if each.answer == answer]
    return sorted(found, key=lambda each: (each.p_value_holm or 0.0, -abs(each.kendall_tau or 0.0)))


def _metric(study: Study, judgement: Judgement) -> str:
    nature = study.metric(judgement.metric).shape_or_scale
    name = printable(judgement.metric)
    return f"{name} ({nature} metric)" if nature in {"shape", "scale", "mixed"} else name


def _quality(study: Study) -> str:
    return printable(study.quality)


def _paradoxes(study: Study) -> Iterator[str]:
    found = [metric for metric in study.metrics if metric.simpson in {"strict", "weak"}]
    for metric in found:
        if metric.simpson_test.significant:
            yield _paradox(metric, study)
    by_sign = [
        f"{metric.metric} ({metric.simpson})" for metric in found if not metric.simpson_test.significant
    ]
    if by_sign:
        yield (
            f"The trend over all models is opposite to that within sub-groups by sign alone, which may be "
            f"chance, for {listed(by_sign)}."
        )


def _paradox(metric: MetricStudy, study: Study) -> str:
    test = metric.simpson_test
    rises = (test.pooled_slope or 0.0) > 0
    over_all, inside = ("rises", "falls") if rises else ("falls", "rises")
    every = metric.simpson == "strict"
    share = f"every one of {test.groups}" if every else f"{test.opposite} of {test.groups}"
    key = printable(study.group)
    name, quality = printable(metric.metric), _quality(study)
    return (
        f"Simpson's paradox ({metric.simpson}) in {name}: over all models {quality} {over_all} with it, "
        f"within {share} sub-groups it {inside} (p = {test.p_value_holm:.2g} after correction). "
        f"One rule on it cannot serve both for models of the same {key} and across them."
    )


def _overtrained(study: Study) -> Iterator[str]:
    training = study.training
    if training is None:
        return
    name = printable(training.training_quality)
    if training.overtrained:
        which = f"{name} improves while {_quality(study)} gets worse"
        yield f"Overtrained ({which}): {listed(map(group_word, training.overtrained))}."
    if training.suspected:
        yield f"Perhaps overtrained, by sign alone: {listed(map(group_word, training.suspected))}."


def _too_little(study: Study) -> Iterator[str]:
    if study.small_groups:
        named = listed(f"{group_word(size.group)} ({size.n})" for size in study.small_groups)
        yield (
            f"Too few models for figures of their own (fewer than {study.settings.min_group}), counted in "
            f"the pooled figures alone: {named}."
        )
    if study.left_out:
        number = len(study.left_out)
        yield f"Left out, each with its reason in the list: {number} {'model' if number == 1 else 'models'}."


def _caveats(study: Study) -> Iterator[str]:
    yield (
        f"This holds for the {len(study.models)} models studied, whose training somebody chose; p-values "
        f"take models for independent. Study again when the registry has grown."
    )
