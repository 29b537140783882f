"""Read-only tags laid over what is read by name: that the registry enforces, and what.

They are never stored, and any MLflow client sees them.  ``gate.registry`` is this registry's id, which
decisions are bound to; ``gate.enforced.NAME`` on a registered model is the text of a policy that governs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.prompt.constants import _PROMPT_SOURCE_PLACEHOLDERS, IS_PROMPT_TAG_KEY

from gate.registry.enforcement.reserved import ENFORCED, REGISTRY

if TYPE_CHECKING:
    from gate.registry.enforcement.rulebook import Rulebook


def is_prompt(version: Any) -> bool:
    """Tell whether a version (MLflow's row or entity) is a prompt's: by its source, which never changes.

    The tag ``mlflow.prompt.is_prompt`` says nothing: anyone can set it on a model.
    """
    return version.source in _PROMPT_SOURCE_PLACEHOLDERS


def over_version(version: Any, book: Rulebook) -> Any:
    """Return an MLflow model version with the gate's tags laid over it."""
    if not is_prompt(version):
        version._add_tag(ModelVersionTag(REGISTRY, book.registry))  # noqa: SLF001 - as MLflow's own stores do
    return version


def over_model(model: Any, workspace: str, book: Rulebook) -> Any:
    """Return an MLflow registered model with the gate's tags laid over it."""
    if not _is_all_prompts(model):
        for key, value in model_tags(model.name, workspace, book).items():
            model._add_tag(RegisteredModelTag(key, value))  # noqa: SLF001 - as above
    return model


def model_tags(name: str, workspace: str, book: Rulebook) -> dict[str, str]:
    """Return the tags that are laid over a registered model."""
    governing = book.governing(model=name, workspace=workspace)
    return {REGISTRY: book.registry} | {
        f"{ENFORCED}{policy.stored.name}": policy.stored.text for policy in governing
    }


def _is_all_prompts(model: Any) -> bool:
    """Tell a prompt; the tag decides only where there is no version yet, so nothing to promote."""
    latest = model.latest_versions
    if latest:
        return all(is_prompt(version) for version in latest)
    return str(model._tags.get(IS_PROMPT_TAG_KEY, "")).lower() == "true"  # noqa: SLF001 - `tags` hides it
