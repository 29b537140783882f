"""``MLmodel``, the file in which MLflow says what an artifact is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.artifact.tables import FLAVOURS

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTION_NAME: Final = "MLmodel"
_LARGEST: Final = 4 << 20
_GENERIC: Final = "python_function"


@dataclass(frozen=True, slots=True)
class Description:
    """The flavours an artifact can be loaded as, ``python_function`` apart, and where their weights lie.

    ``locations`` are relative POSIX paths of files or folders, empty where the whole artifact counts;
    ``described`` is False for a folder that MLflow did not write.
    """

    flavours: tuple[str, ...]
    locations: tuple[str, ...]
    described: bool = True

    def covers(self, name: str) -> bool:
        """Tell whether the file called ``name`` is what the flavour loads."""
        return not self.locations or any(
            name == location or name.startswith(f"{location}/") for location in self.locations
        )


def read_description(path: Path) -> Description:
    """Return what the ``MLmodel`` file at ``path`` says.

    Every scalar is taken as text and no tag is honoured, so that nothing is constructed.

    Raises
    ------
    gate.errors.ModelError
        It is not a YAML map with a map of flavours.
    gate.errors.UnsafeModelError
        It names a place outside the artifact.
    """
    flavours = _parse(path).get("flavors")
    if not isinstance(flavours, Mapping) or not all(isinstance(name, str) for name in flavours):
        raise ModelError(f"{path.name} names no flavors", hint="It is not a model that MLflow wrote.")
    known = {name: settings for name, settings in flavours.items() if name in FLAVOURS}
    locations = {place: None for name, settings in known.items() for place in _locations(name, settings)}
    others = tuple(name for name in flavours if name != _GENERIC)
    return Description(others, tuple(locations) if len(known) == len(others) else ())


def _parse(path: Path) -> Mapping[Any, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - only MLflow artifacts need it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ModelError(f"cannot read {path.name}: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise ModelError(f"{path.name} is larger than {_LARGEST} bytes")
    try:
        parsed = YAML(typ="base", pure=True).load(data.decode("utf-8"))
    except RecursionError as error:
        raise ModelError(f"{path.name} is nested too deep") from error
    except (YAMLError, ValueError) as error:
        raise ModelError(f"{path.name} is not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(parsed, Mapping):
        raise ModelError(f"{path.name} is not a map")
    return parsed


def _locations(flavour: str, settings: object) -> tuple[str, ...]:
    layout = FLAVOURS[flavour]
    given = [settings.get(key) for key in layout.keys] if isinstance(settings, Mapping) else []
    named = tuple(_relative(place) for place in given if isinstance(place, str) and place)
    return named + layout.folders


def _relative(place: str) -> str:
    path = PurePosixPath(place)
    if path.is_absolute() or ".." in path.parts or "\\" in place:
        raise UnsafeModelError(f"{DESCRIPTION_NAME} names the place {place[:80]!r}, outside the artifact")
    return path.as_posix()
