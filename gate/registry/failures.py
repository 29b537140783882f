"""MLflow's errors, turned into errors that say what to do.

The split follows the exit codes: a name, version or alias that does not exist is a mistake in what
was asked (:class:`MissingError`, exit 2); a server that does not answer, does not let us in or
breaks is :class:`gate.errors.RegistryError` (exit 3).  A 404 in any form but MLflow's own JSON
comes from something that is no MLflow server, and counts as the latter.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, RegistryError, UsageError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.exceptions import MlflowException

_PASSWORD: Final = re.compile(r"(://)[^/@\s]+@")
_LONGEST_QUOTE: Final = 400
_GATE: Final = "The gate "
"""What an enforcing registry's refusals begin with; they say themselves what to do."""

_UNREACHABLE: Final = (
    "Is {where} the registry you meant, and is it up? "
    "Set it with --tracking-uri or MLFLOW_TRACKING_URI (--registry-uri or MLFLOW_REGISTRY_URI)."
)
_UNAUTHENTICATED: Final = (
    "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, for {where}."
)


class MissingError(UsageError):
    """A registered model, version, alias, logged model or run that does not exist (exit 2)."""


class RefusedError(RegistryError):
    """The registry understood and said no: not permitted, or changed meanwhile (exit 3)."""


class ConflictError(RefusedError):
    """Somebody else changed meanwhile what this rests on (exit 3)."""


def public_uri(text: str) -> str:
    """Return ``text`` without the user names and passwords of the addresses in it."""
    return _PASSWORD.sub(r"\1", text)


class FailedRequestError(RegistryError):
    """The registry is there, answered at once, and could not do it: trying again may help (exit 3)."""


@contextlib.contextmanager
def registry_errors(doing: str, where: str, *, invalid_is_missing: bool = False) -> Iterator[None]:
    """Translate what MLflow raises inside the ``with`` block.

    Parameters
    ----------
    doing:
        What was being done, to follow "cannot".
    where:
        Address of the registry.
    invalid_is_missing:
        The call answers INVALID_PARAMETER_VALUE for something that does not exist.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - takes seconds to import
    from requests.exceptions import RequestException  # noqa: PLC0415

    connecting: tuple[type[Exception], ...] = (RequestException, OSError, *_database_errors())
    try:
        yield
    except MlflowException as error:
        raise _translate(error, doing, where, invalid_is_missing=invalid_is_missing) from error
    except connecting as error:
        raise _unreachable(error, doing, where) from error
    except ImportError as error:
        raise RegistryError(
            f"cannot {doing}: {_quoted(error)}",
            hint=f"{public_uri(where)} needs a package that is not here; mlflow-skinny reaches HTTP only.",
        ) from error


def _database_errors() -> tuple[type[Exception], ...]:
    """Return the errors of a store in a database; mlflow-skinny has none and comes without SQLAlchemy."""
    try:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - imported by MLflow already, or not at all
    except ImportError:
        return ()
    return (SQLAlchemyError,)


@contextlib.contextmanager
def storage_errors(doing: str, where: str) -> Iterator[None]:
    """Translate whatever an artifact store raises inside the ``with`` block.

    Every storage has a client library with exceptions of its own (boto, Azure, GCS, plugins), none
    of which can be named here without importing it; the cause is quoted and chained.
    """
    try:
        yield
    except GateError:
        raise
    except Exception as error:
        raise RegistryError(
            f"cannot {doing}: {_quoted(error)}",
            hint=f"Can this machine read {public_uri(where)}, and has it the credentials that takes?",
        ) from error


def _translate(error: MlflowException, doing: str, where: str, *, invalid_is_missing: bool) -> GateError:
    code = error.error_code
    message = f"cannot {doing}: {_quoted(error)}"
    if code in {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"} or _status_in(error) == "401":
        return RegistryError(message, hint=_UNAUTHENTICATED.format(where=public_uri(where)))
    if code == "PERMISSION_DENIED" or _status_in(error) == "403":
        allows = f"{public_uri(where)} does not allow it to this user."
        return RefusedError(message, hint=None if _GATE in error.message else allows)
    if not _said_by_mlflow(error, where):
        return _unreachable(error, doing, where)
    missing = MissingError(message, hint=f"Asked {public_uri(where)}. Names are taken as typed, %20 too.")
    answers: dict[str, GateError] = {
        "RESOURCE_DOES_NOT_EXIST": missing,
        "INVALID_PARAMETER_VALUE": missing if invalid_is_missing else UsageError(message),
        "RESOURCE_CONFLICT": ConflictError(message, hint="Somebody changed it meanwhile: check again."),
    }
    failed = FailedRequestError(message, hint=f"{public_uri(where)} answers, but not this: see its log.")
    return answers.get(code, failed)


def _said_by_mlflow(error: MlflowException, where: str) -> bool:
    """Tell an answer of MLflow from a proxy's or a stranger's: over HTTP, the former is JSON."""
    from mlflow.exceptions import RestException  # noqa: PLC0415

    return isinstance(error, RestException) or not where.startswith(("http:", "https:"))


def _unreachable(error: Exception, doing: str, where: str) -> RegistryError:
    hint = _UNREACHABLE.format(where=public_uri(where))
    return RegistryError(f"cannot {doing}: {_quoted(error)}", hint=hint)


def _status_in(error: MlflowException) -> str:
    found = re.search(r"failed with error code (\d{3})", error.message)
    return found[1] if found else ""


def _quoted(error: Exception) -> str:
    """Return what the cause says, on one line, without passwords, HTML bodies or stack traces."""
    text = str(getattr(error, "message", None) or error) or type(error).__name__
    text = (
        text.partition(" Response body: ")[0].partition("(Background on this error")[0].partition("[SQL:")[0]
    )
    return printable(" ".join(public_uri(text).split()), _LONGEST_QUOTE)
