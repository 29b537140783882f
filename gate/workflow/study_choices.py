"""What a study takes for quality and sub-groups where the user did not say; every choice is told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from gate.study.interface import Direction, ModelRow

_QUALITIES: Final = (
    "test_accuracy", "test_acc", "test/accuracy", "eval_accuracy", "val_accuracy", "val_acc", "val/accuracy",
    "validation_accuracy", "accuracy", "accuracy_score", "test_loss", "eval_loss", "val_loss", "quality",
    "generalization_gap",
)  # fmt: skip
"""Names tried where --quality is not given, the first that any model has."""

GROUPS: Final = ("architecture", "depth", "param:depth", "subgroup", "sub_group", "group", "family")
"""Labels tried where --group is not given, the first under which a sub-group is large enough."""

_TESTED: Final = ("test", "eval", "validation", "val")
_TRAINED: Final = ("train", "training")
_LISTED: Final = 30


def choose_quality(known: Iterable[str]) -> str:
    """Return the quality that can only be meant; what usually makes sub-groups is none.

    Raises
    ------
    gate.errors.UsageError
        There is none, or there are several.
    """
    names = sorted(set(known) - set(GROUPS))
    usual = next((name for name in _QUALITIES if name in names), None)
    if usual is not None:
        return usual
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError(
            "nothing is known of the quality of these models",
            hint="Log it as a metric of their runs, or pass --table FILE.csv.",
        )
    raise UsageError(
        "say which quality the metrics should predict: --quality NAME", hint=f"There are: {listed(names)}"
    )


def training_counterpart(quality: str, known: Iterable[str]) -> str | None:
    """Return the training quality that goes by the same name (test_accuracy: train_accuracy), or None."""
    names = set(known)
    forms = (
        quality.replace(tested, trained, 1) for tested in _TESTED if tested in quality for trained in _TRAINED
    )
    return next((name for name in forms if name in names), None)


def choose_keys(
    wanted: Sequence[str], rows: Sequence[ModelRow], quality: str, min_group: int
) -> tuple[str, ...]:
    """Return the labels that make the sub-groups; a bare KEY may also be a parameter or a tag.

    Raises
    ------
    gate.errors.UsageError
        None is wanted, and none of the usual ones is there.
    """
    known = {key for row in rows for key in row.labels}
    if wanted:
        return tuple(whole_key(key, known) for key in wanted)
    present = [key for key in GROUPS if key in known]
    for key in present:
        sizes = Counter(row.labels[key] for row in rows if key in row.labels and quality in row.qualities)
        if sizes and max(sizes.values()) >= min_group:
            return (key,)
    if present:
        return (present[0],)
    raise UsageError("say what makes the sub-groups: --group KEY", hint=f"There are: {listed(sorted(known))}")


def whole_key(key: str, known: Collection[str]) -> str:
    """Return the label that a person's KEY stands for: itself, or a parameter or tag of that name."""
    return next((form for form in (key, f"param:{key}", f"tag:{key}") if form in known), key)


def listed(names: Sequence[str]) -> str:
    """Return names for a hint, not too many of them."""
    return ", ".join(printable(name) for name in names[:_LISTED]) + (" …" if len(names) > _LISTED else "")


def quality_direction(word: str | None) -> Direction | None:
    """Return which quality is better, as a person said it; None where nobody did.

    Raises
    ------
    gate.errors.UsageError
        It is neither higher nor lower.
    """
    known: dict[str, Direction] = {"higher": "higher", "lower": "lower"}
    if word is None or word in known:
        return known.get(word or "")
    raise UsageError(f"quality is better higher or lower, not {printable(word)!r}")
