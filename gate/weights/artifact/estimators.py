"""What the pickle of an ordinary estimator is made of, where a flavour has no weights but that pickle.

Such a pickle always names its library's classes: counting those would refuse every such model, and tell
nobody of one that names something else besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

_ARRAYS: Final = frozenset(
    {
        "joblib.numpy_pickle.NumpyArrayWrapper",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.random._mt19937.MT19937",
        "numpy.random._pcg64.PCG64",
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random._pickle.__generator_ctor",
        "numpy.random._pickle.__randomstate_ctor",
        "numpy.random.bit_generator.SeedSequence",
        "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.sparse._csr.csr_matrix",
        "sklearn.metrics._dist_metrics.newObj",
        "sklearn.neighbors._ball_tree.newObj",
        "sklearn.neighbors._kd_tree.newObj",
    }
)
"""What numpy's arrays and random generators, splines and search trees are rebuilt by."""

_CYTHON: Final = "__pyx_unpickle_"
"""Cython's own way to make an empty object of a class and to give it its state."""

_LIBRARIES: Final = frozenset({"catboost", "lightgbm", "sklearn", "xgboost"})


def beyond_estimators(names: Iterable[str]) -> tuple[str, ...]:
    """Return the globals that are no class of these libraries and neither rebuild nor compute arrays."""
    return tuple(name for name in names if name not in _ARRAYS and not _is_estimator(name))


def _is_estimator(name: str) -> bool:
    """Tell whether it is named as a class is: a function of these libraries may do anything."""
    module, _, last = name.rpartition(".")
    if module.partition(".")[0] not in _LIBRARIES:
        return _is_ufunc(module, last)
    return last.removeprefix(_CYTHON).lstrip("_")[:1].isupper()


def _is_ufunc(module: str, name: str) -> bool:
    """Tell numpy's elementwise functions, which compute and do nothing else."""
    return module == "numpy" and isinstance(vars(np).get(name), np.ufunc)
