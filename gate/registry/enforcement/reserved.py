"""Which tags are the gate's own, however their name is spelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from gate.registry.enforcement.folding import bare

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX: Final = "gate."
ATTESTATION: Final = f"{PREFIX}attestation."
OVERRIDE: Final = f"{PREFIX}override."
REGISTRY: Final = f"{PREFIX}registry"
ENFORCED: Final = f"{PREFIX}enforced."

Statement = Literal["attestation", "override"]


def is_reserved(key: str) -> bool:
    """Tell whether ``key`` is one of the gate's tags, or looks like one to a database.

    MySQL compares keys without case, accents or width: there ``Gáte.outcome`` is ``gate.outcome``.
    """
    return bare(key).startswith(PREFIX)


def carries(key: str) -> tuple[Statement, str] | None:
    """Return what a tag of this key brings and for which policy or alias, None where it brings nothing.

    Only the exact spelling does.
    """
    for prefix, what in ((ATTESTATION, "attestation"), (OVERRIDE, "override")):
        if key.startswith(prefix) and len(key) > len(prefix):
            return what, key[len(prefix) :]  # type: ignore[return-value]
    return None


def without_reserved(tags: Iterable[object] | None) -> list[object]:
    """Return MLflow's tags without those that are the gate's."""
    return [tag for tag in tags or () if not is_reserved(tag.key)]  # type: ignore[attr-defined]
