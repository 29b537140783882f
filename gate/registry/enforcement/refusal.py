"""What a refused person reads, as the error that MLflow sends: 403, with everything needed to act."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, PERMISSION_DENIED, RESOURCE_CONFLICT

from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.registry.enforcement.ruling import Objection, Promotion

_RUN_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
_MOST_QUOTED: Final = 5
_LONGEST: Final = 4_000
_BESIDE: Final = 350
"""Characters kept free beside each reason: for the policy's name and the report's address."""


class PromotionRefusedError(MlflowException):  # type: ignore[misc]  # MLflow has no types
    """A promotion that may not happen; the message says why and what to do."""

    def __init__(self, promotion: Promotion, message: str, objections: Iterable[Objection] = ()) -> None:
        super().__init__(message[:_LONGEST], error_code=PERMISSION_DENIED)
        self.promotion = promotion
        self.objections = tuple(objections)


def refused(promotion: Promotion, objections: Iterable[Objection]) -> PromotionRefusedError:
    """Return the refusal of ``promotion`` for what enforcing policies object.

    However much they object, what to do stands at the end.
    """
    refusing = [objection for objection in objections if objection.mode == "enforce"]
    head, remedy = f"The gate refused {promotion.words()}.", _remedy(promotion)
    quoted = refusing[:_MOST_QUOTED]
    room = (_LONGEST - len(head) - len(remedy)) // max(len(quoted), 1) - _BESIDE
    reasons = [_reason(objection, room) for objection in quoted]
    more = [f"{len(refusing) - len(quoted)} more policies object."] if len(refusing) > len(quoted) else []
    return PromotionRefusedError(promotion, " ".join((head, *reasons, *more, remedy)), refusing)


def ungovernable(promotion: Promotion, why: str) -> PromotionRefusedError:
    """Return the refusal where nobody can tell what governs ``promotion``."""
    return PromotionRefusedError(
        promotion,
        f"The gate refused {promotion.words()}: {why}, so nothing can be promoted. "
        "An operator of this registry has to load policies: set GATE_POLICIES and restart, "
        "or run: gate policy push FILE",
    )


def denied(message: str) -> MlflowException:
    """Return a 403 that is no promotion's."""
    return MlflowException(message, error_code=PERMISSION_DENIED)


def conflict(message: str) -> MlflowException:
    """Return a 409: somebody else was first."""
    return MlflowException(message, error_code=RESOURCE_CONFLICT)


def invalid(message: str) -> MlflowException:
    """Return a 400."""
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


def _reason(objection: Objection, room: int) -> str:
    """Return what a policy objects, in about ``room`` characters; its name and report are never cut."""
    said = objection.message
    if len(said) > room:
        said = f"{said[: room - 1]}…"
    text = f"Policy '{printable(objection.policy)}': {said}."
    return f"{text} Report: {_report(objection.report)}." if objection.report else text


def _report(run_id: str) -> str:
    """Return the run, with its address where a server was asked and the id can be one."""
    if not _RUN_ID.match(run_id):
        return f"run {printable(run_id, 64)}"
    server = _server()
    return f"run {run_id}, {server}#/runs/{run_id}" if server else f"run {run_id}"


def _remedy(promotion: Promotion) -> str:
    uri = f"models:/{quote(promotion.name, safe=' ')}/{promotion.version}"
    check = f"gate check '{uri}'"
    return {
        "alias": f"To see all of it, or to judge it again, run: {check}",
        "stage": f"To see all of it, or to judge it again, run: {check}",
        "copy": f"Judge the source by the policies of the target first: {check} --policy FILE",
        "rename": "Remove the alias or stage, rename, then judge and promote under the new name.",
    }[promotion.kind]


def _server() -> str:
    """Return the address under which the caller reached this server, or nothing outside a request."""
    from flask import has_request_context, request  # noqa: PLC0415 - a direct client need not have it

    return str(request.url_root) if has_request_context() else ""


def caller() -> str | None:
    """Return who asks, where the server knows (basic-auth)."""
    from flask import g, has_request_context  # noqa: PLC0415 - as above

    name = getattr(g, "mlflow_authenticated_user", None) if has_request_context() else None
    return None if name is None else printable(str(name))
