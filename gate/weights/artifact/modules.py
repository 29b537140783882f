"""Files that hold nothing but the name of a module, which MLflow's loaders import."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from gate.text import printable
from gate.weights.paths import require_inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MODULE_FILES: Final = {
    "pickle_module_info.txt": frozenset({"cloudpickle", "dill", "mlflow.pytorch.pickle_module", "pickle"}),
    "keras_module.txt": frozenset({"keras", "tensorflow.keras", "tf_keras"}),
}
"""Names of such files of the pytorch and tensorflow flavours, and the modules MLflow writes into them."""

_LONGEST: Final = 256


def imported_modules(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """Yield ``module NAME`` for each of the files that names another module than MLflow writes.

    Raises
    ------
    gate.errors.UnsafeModelError
        One of them leads out of the folder.
    """
    for name in names:
        usual = MODULE_FILES.get(PurePosixPath(name.casefold()).name)
        path = folder / name
        if usual is None or not path.is_file():
            continue
        require_inside(folder, path)
        with path.open("rb") as file:
            module = file.read(_LONGEST).decode("utf-8", "replace").strip()
        # tensorflow.python.keras.api._v2.keras and the like are what the short names stood for once
        if module not in usual and not module.startswith(("keras.", "tensorflow.")):
            yield f"module {printable(module)}"
