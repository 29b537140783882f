"""What the pickle of an ordinary estimator is made of, where a flavour has no weights but that pickle.

Such a pickle always names its library's classes: counting those would refuse every such model, and tell
nobody of one that names something else besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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
        "scipy.sparse._csr.csr_matrix",
    }
)
"""What numpy's arrays and random generators are rebuilt by."""

_LIBRARIES: Final = frozenset({"catboost", "lightgbm", "sklearn", "xgboost"})


def beyond_estimators(names: Iterable[str]) -> tuple[str, ...]:
    """Return the globals that are neither a class of these libraries nor what rebuilds arrays."""
    return tuple(name for name in names if name not in _ARRAYS and not _is_estimator(name))


def _is_estimator(name: str) -> bool:
    """Tell whether it is named as a class is: a function of these libraries may do anything."""
    module, _, last = name.rpartition(".")
    return module.partition(".")[0] in _LIBRARIES and last[:1].isupper()
