"""SOURCE strings: where a model is, as somebody typed it.

Registered names are hostile text: they may hold spaces, quotes, ``@``, ``?``, ``#`` and ``%20``.
MLflow takes them literally, without URL quoting, and so does this parser (it does not go through a
URL library, which would cut a name at its ``?``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from gate.errors import UsageError
from gate.text import printable

_FORMS: Final = (
    "A source is a file or folder, models:/NAME/VERSION, models:/NAME@ALIAS, models:/NAME/latest, "
    "models:/m-ID or runs:/RUN/path."
)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_LOGGED_MODEL: Final = re.compile(r"m-[A-Za-z0-9]{1,64}\Z")
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][\w-]{0,255}\Z", re.ASCII)
_ALIAS: Final = re.compile(r"[\w-]{1,255}\Z")
_VERSION_ALIAS: Final = re.compile(r"[vV][0-9]+\Z")
_LONGEST_VERSION: Final = 9
_LONGEST_NAME: Final = 256


@dataclass(frozen=True, slots=True)
class PathSource:
    """A file or folder on disk."""

    path: Path

    @property
    def uri(self) -> str:
        """The path, in POSIX form."""
        return self.path.as_posix()


@dataclass(frozen=True, slots=True)
class VersionSource:
    """``models:/NAME/VERSION``."""

    name: str
    version: int

    @property
    def uri(self) -> str:
        """The canonical form."""
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class LatestSource:
    """``models:/NAME/latest``: the highest version there is."""

    name: str

    @property
    def uri(self) -> str:
        """The canonical form."""
        return f"models:/{self.name}/latest"


@dataclass(frozen=True, slots=True)
class AliasSource:
    """``models:/NAME@ALIAS``."""

    name: str
    alias: str

    @property
    def uri(self) -> str:
        """The canonical form."""
        return f"models:/{self.name}@{self.alias}"


@dataclass(frozen=True, slots=True)
class LoggedModelSource:
    """``models:/m-ID``: a logged model, registered or not."""

    model_id: str

    @property
    def uri(self) -> str:
        """The canonical form."""
        return f"models:/{self.model_id}"


@dataclass(frozen=True, slots=True)
class RunSource:
    """``runs:/RUN/path``: an artifact of a run, or a model it logged under that name."""

    run_id: str
    path: str

    @property
    def uri(self) -> str:
        """The canonical form."""
        return f"runs:/{self.run_id}/{self.path}"


Source: TypeAlias = PathSource | VersionSource | LatestSource | AliasSource | LoggedModelSource | RunSource


def parse_source(text: str) -> Source:
    """Parse a SOURCE; nothing is looked up.

    Raises
    ------
    gate.errors.UsageError
        It has none of the forms a source has.
    """
    if not text or "\0" in text:
        raise UsageError("the source is empty" if not text else "the source holds a NUL byte", hint=_FORMS)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return PathSource(Path(text))
    kind, rest = scheme[1].lower(), text[scheme.end() :]
    if kind == "file":
        from urllib.request import url2pathname  # noqa: PLC0415 - loads ssl, for next to nothing

        return PathSource(Path(url2pathname(urlsplit(text).path)))
    if kind not in {"models", "runs"}:
        raise _malformed(text, f"Download it and pass the path, or register it in MLflow. {_FORMS}")
    if rest.startswith("/") and not rest.startswith("//"):
        raise _malformed(text, f"Write one slash after the colon: {kind}:/…")
    rest = rest.strip("/")
    return _parse_model(text, rest) if kind == "models" else _parse_run(text, rest)


def checked_alias(alias: str) -> str:
    """Return ``alias`` if MLflow allows it: letters, digits, ``_`` and ``-``; not ``latest`` nor ``v1``.

    Raises
    ------
    gate.errors.UsageError
        It does not.
    """
    if not _ALIAS.match(alias) or alias.lower() == "latest" or _VERSION_ALIAS.match(alias):
        raise UsageError(
            f"{printable(alias)!r} cannot be an alias",
            hint="MLflow allows up to 255 letters, digits, - and _; not 'latest', not 'v' and a number.",
        )
    return alias


def _parse_model(text: str, rest: str) -> Source:
    name, slash, suffix = rest.partition("/")
    if slash:
        return _parse_version(text, _checked_name(text, name), suffix)
    name, at, alias = rest.rpartition("@")
    if at:
        return AliasSource(_checked_name(text, name), checked_alias(alias))
    if _LOGGED_MODEL.match(rest):
        return LoggedModelSource(rest)
    raise _malformed(text, f"Add a version or an alias: models:/{printable(rest or 'NAME')}/1. {_FORMS}")


def _parse_version(text: str, name: str, suffix: str) -> Source:
    if suffix.lower() == "latest":
        return LatestSource(name)
    if suffix.isascii() and suffix.isdigit() and len(suffix) <= _LONGEST_VERSION:
        return VersionSource(name, int(suffix))
    if "/" in suffix:
        raise _malformed(text, "A registered model is judged whole: leave out what follows the version.")
    raise _malformed(
        text,
        f"{printable(suffix)!r} is no version number; stages are not supported, "
        f"use an alias: models:/{printable(name)}@ALIAS",
    )


def _parse_run(text: str, rest: str) -> RunSource:
    run_id, _, path = rest.partition("/")
    parts = path.split("/")
    if not _RUN_ID.match(run_id):
        raise _malformed(text, "A run source is runs:/RUN/path, with the id of a run.")
    if not path:
        raise _malformed(text, f"Say which artifact of the run: runs:/{run_id}/model")
    if any(part in {"", ".", ".."} for part in parts) or "\\" in path:
        raise _malformed(text, "The path of an artifact has no empty part, no . or .. and no backslash.")
    return RunSource(run_id, path)


def _checked_name(text: str, name: str) -> str:
    if not name.strip() or ":" in name or name in {".", ".."} or len(name) > _LONGEST_NAME:
        raise _malformed(text, f"{printable(name)!r} cannot be the name of a registered model. {_FORMS}")
    return name


def _malformed(text: str, hint: str) -> UsageError:
    return UsageError(f"{printable(text)!r} is not a source that can be read", hint=hint)
