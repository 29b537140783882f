"""``MLmodel``, the file in which MLflow says what an artifact is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from gate.errors import ModelError, UnsafeModelError
from gate.weights.artifact.tables import FLAVOURS, LOAD_THE_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTION_NAME: Final = "MLmodel"
GENERIC: Final = "python_function"
_LARGEST: Final = 256 << 10
_MOST_EVENTS: Final = 20_000
_GENERIC_KEYS: Final = ("data", "model_path")
_NOT_LOADED: Final = frozenset({"code", "config", "env", "loader_module", "python_version"})
"""Settings of flavours that name no file which is unpickled."""
_UNPICKLED_KEYS: Final = ("pickled_model", "python_model")


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder that a flavour loads.

    ``loader`` is the flavour whose loader opens it, which may be another where ``python_function``
    loads it, or none that is known (empty).  ``whole`` tells that its TensorFlow and Flax files count.
    """

    flavour: str
    path: str
    loader: str
    whole: bool = False

    def holds(self, name: str) -> bool:
        """Tell whether the file called ``name`` lies there."""
        return self.path == "." or _is_below(name, self.path)


@dataclass(frozen=True, slots=True)
class Description:
    """The flavours an artifact can be loaded as, ``python_function`` apart, and where their weights lie.

    Attributes
    ----------
    flavours:
        Their names.
    places:
        What those that are known load, and ``python_function`` where it loads something else.
    everywhere:
        The whole artifact counts: it has flavours whose places are not known.
    named:
        Every path that a flavour's settings name, but for the whole artifact.
    unpickled:
        Those of them that loading unpickles, whatever they are.
    loaders:
        Modules that ``python_function`` would run to load a model whose flavour has a loader of its own.
    described:
        False for a folder that MLflow did not write.
    """

    flavours: tuple[str, ...]
    places: tuple[Place, ...] = ()
    everywhere: bool = True
    named: frozenset[str] = frozenset()
    unpickled: frozenset[str] = frozenset()
    loaders: tuple[str, ...] = ()
    described: bool = True

    def covers(self, name: str) -> bool:
        """Tell whether the file called ``name`` lies where a flavour loads from."""
        return self.everywhere or any(place.holds(name) for place in self.places if place.path != ".")

    def names(self, name: str) -> bool:
        """Tell whether a flavour's settings name the file called ``name`` or a folder that it lies in."""
        path = PurePosixPath(name)
        return any(place.as_posix() in self.named for place in (path, *path.parents))


def _is_below(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}/")


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
    known = [name for name in flavours if name in FLAVOURS]
    others = tuple(name for name in flavours if name != GENERIC)
    places = [place for name in known for place in _places(name, flavours[name])]
    generic = flavours.get(GENERIC)
    loaders: tuple[str, ...] = ()
    if known and isinstance(generic, Mapping):
        loader = _loader_of(generic, known)
        loaders = () if loader else (f"loader_module {str(generic.get('loader_module'))[:200]}",)
        places += _generic_places(generic, loader, places)
    return Description(
        others,
        tuple(places),
        everywhere=not places or len(known) != len(others),
        named=frozenset(_named(flavours.values())),
        unpickled=frozenset(_unpickled(flavours.values())),
        loaders=loaders,
    )


def named_files(path: Path) -> frozenset[str]:
    """Return the files and folders that the ``MLmodel`` file at ``path`` names: reading looks at them.

    Raises
    ------
    gate.errors.ModelError
        See :func:`read_description`.
    """
    return read_description(path).named


def _loader_of(generic: Mapping[str, object], known: list[str]) -> str:
    """Return the known flavour whose own module ``python_function`` loads the model with, or nothing."""
    module = str(generic.get("loader_module"))
    own = (name for name in known if module == f"mlflow.{name}" or module.startswith(f"mlflow.{name}."))
    return next(own, "")


def _generic_places(generic: Mapping[str, object], loader: str, known: list[Place]) -> list[Place]:
    given = [place for key in _GENERIC_KEYS if isinstance(place := generic.get(key), str) and place]
    if not given and loader in LOAD_THE_FOLDER:
        return [Place(GENERIC, ".", loader)]
    paths = [_relative(place) for place in given]
    loaded = {place.path for place in known if place.loader == loader}
    return [Place(GENERIC, path, loader) for path in paths if path not in loaded]


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
        text = data.decode("utf-8")
        for count, _ in enumerate(YAML(typ="base", pure=True).parse(text)):
            if count > _MOST_EVENTS:  # composing them is what takes long
                raise UnsafeModelError(f"{path.name} holds more than {_MOST_EVENTS} values")
        parsed = YAML(typ="base", pure=True).load(text)
    except RecursionError as error:
        raise ModelError(f"{path.name} is nested too deep") from error
    except (YAMLError, ValueError) as error:
        raise ModelError(f"{path.name} is not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(parsed, Mapping):
        raise ModelError(f"{path.name} is not a map")
    return parsed


def _places(flavour: str, settings: object) -> Iterator[Place]:
    layout = FLAVOURS[flavour]
    given = settings if isinstance(settings, Mapping) else {}
    whole = str(given.get("pipeline_model_type", "")).startswith(("TF", "Flax"))
    for key, usual in layout.keys.items():
        place = given.get(key)
        for path in (_relative(place),) if isinstance(place, str) and place else usual:
            yield from (Place(flavour, path + end, flavour, whole) for end in ("", *layout.suffixes))


def _named(settings: Iterable[object]) -> Iterator[str]:
    """Yield every text in the settings that could be a path in the artifact."""
    left = list(settings)
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            left += [value[key] for key in value if key not in _NOT_LOADED]
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str) and (path := PurePosixPath(value)).parts:
            yield path.as_posix()


def _unpickled(flavours: Iterable[object]) -> Iterator[str]:
    for settings in flavours:
        if isinstance(settings, Mapping):
            yield from _named([settings.get(key) for key in _UNPICKLED_KEYS])


def _relative(place: str) -> str:
    path = PurePosixPath(place)
    if path.is_absolute() or ".." in path.parts or "\\" in place:
        raise UnsafeModelError(f"{DESCRIPTION_NAME} names the place {place[:80]!r}, outside the artifact")
    return path.as_posix()
