"""What the engine spends beside the linear algebra it cannot do without."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.common import Options, Section, at_most, say, seconds
from benchmarks.tensors import MODELS, gaussian
from gate.spectra import Settings, convention
from gate.spectra.eigenvalues import eigenvalues
from gate.spectra.executors import Local
from gate.spectra.lapack import backend, blas_threads
from gate.spectra.lapack.openblas import OpenBlas
from gate.spectra.zero import resolution, zero_ratio
from gate.weights.arrays import from_arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

TITLE: Final = "Overhead over the floor"
LIMIT: Final = 1.25
_WIDTHS: Final = (32, 48, 64, 96)
_SECONDS: Final = 10.0
_MOST_TURNS: Final = 51
_TEXT: Final = """
The floor is the Gram product plus the eigenvalues, each matrix by whichever of the safe solvers is fastest
for it on this machine: `sytrd` and `sterf` (one stage), the two-stage reduction at several band widths,
numpy's batched `eigvalsh` for stacks of small slices; where a Gram matrix loses eigenvalues that are no
zeros, only the singular value decomposition is safe, of the matrix or of what is left of it in the space of
its smallest eigenvectors. Nothing else: no fit, no norms, no flags, no
plot. The engine (`measure_layers`, default metrics) and the floor take turns, on one thread each; CPU time,
medians; the ratio is the median of the turns' ratios.
"""


def run(options: Options) -> Section:
    """Measure single matrices and whole models."""
    sizes = ((256, 256),) if options.quick else ((512, 512), (1024, 1024), (2048, 2048), (4096, 1024))
    subjects: dict[str, Mapping[str, NDArray[Any]]] = {
        f"{rows}×{columns}": gaussian({"matrix": (rows, columns)}) for rows, columns in sizes
    }
    if not options.quick:
        subjects["4096×4096"] = gaussian({"matrix": (4096, 4096)})
    for name in ("silero",) if options.quick else ("lite1", "minilm", "rapidocr-rec"):
        subjects[MODELS[name].title] = MODELS[name].tensors()
    rows, solvers, worst = [], [], 0.0
    for name, tensors in subjects.items():
        say(f"  {name}")
        floor, chosen = _floor(tensors)
        spent, base, ratio = _measured(tensors, floor, quick=options.quick)
        worst = max(worst, ratio)
        rows.append((name, seconds(base), seconds(spent), f"{ratio:.2f}"))
        if len(tensors) == 1:
            solvers.append(f"{name}: {chosen}")
    return Section(
        title=TITLE,
        text=f"{_TEXT}\nFastest here: {'; '.join(solvers)}.\n",
        header=("weights", "floor", "engine", "ratio"),
        rows=tuple(rows),
        targets=(at_most(f"at most {LIMIT} of the floor, everywhere", worst, LIMIT),),
    )


def _measured(
    tensors: Mapping[str, NDArray[Any]], floor: Callable[[], None], *, quick: bool
) -> tuple[float, float, float]:
    """Return the medians of the engine's and the floor's CPU time, and of their ratio in each turn."""
    layers = from_arrays(tensors).layers
    settings = Settings(convention("gate-1"), jobs=1)

    def engine() -> None:
        for _ in Local().map(layers, settings):
            pass

    first = _cpu(engine) + _cpu(floor)  # warms up both
    turns = 2 if quick else min(max(7, round(_SECONDS / first)), _MOST_TURNS)
    pairs = np.array([(_cpu(engine), _cpu(floor)) for _ in range(turns)])
    own, base = np.median(pairs, axis=0).tolist()
    return own, base, float(np.median(pairs[:, 0] / pairs[:, 1]))


def _floor(tensors: Mapping[str, NDArray[Any]]) -> tuple[Callable[[], None], str]:
    """Choose the fastest solver for each matrix; return what runs them all, and the last one's name."""
    chosen = []
    name = ""
    for stack in (stack for tensor in tensors.values() for stack in _stacks(tensor)):
        candidates = dict(_solvers(stack))
        with blas_threads().one():
            spent = {name: min(_cpu(solve) for _ in range(3)) for name, solve in candidates.items()}
        name = min(spent, key=lambda key: spent[key])
        chosen.append(candidates[name])

    def floor() -> None:
        with blas_threads().one():
            for solve in chosen:
                solve()

    return floor, name


def _stacks(tensor: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield a tensor's matrices as one stack of shape (count, N, M)."""
    if tensor.ndim == 2:  # noqa: PLR2004 - a matrix
        yield tensor[None]
    else:
        yield tensor.transpose(2, 3, 0, 1).reshape(-1, *tensor.shape[:2])


def _solvers(stack: NDArray[Any]) -> Iterator[tuple[str, Callable[[], None]]]:
    if min(stack.shape[1:]) == 1:
        yield "sum of squares", lambda: _discard(np.square(stack, dtype=np.float64).sum(axis=(1, 2)))
        return
    solver = backend()
    if _loses_eigenvalues(stack):
        yield "gesdd", partial(_decomposed, stack)
        zero = zero_ratio(min(stack.shape[1:]))
        yield "sytrd, the lost ones by projection", lambda: _discard(eigenvalues(stack, zero_below=zero))
        return
    yield "eigvalsh", lambda: _batched(stack)
    if isinstance(solver, OpenBlas) and stack.shape[1] * stack.shape[2] > 64 * 64:
        yield "sytrd", lambda: _each(stack, solver, solver.one_stage)
        if min(stack.shape[1:]) >= 1000:  # noqa: PLR2004 - far below where two stages can win
            for width in _WIDTHS:
                two_stages = partial(solver.two_stage, width=width)
                yield f"two stages, band {width}", partial(_each, stack, solver, two_stages)


def _loses_eigenvalues(stack: NDArray[Any]) -> bool:
    """Tell whether the Gram matrix blurs eigenvalues that ``gate-1`` does not take for zero."""
    rows, columns = sorted(stack.shape[1:], reverse=True)
    squares = np.square(np.linalg.svd(stack.astype(np.float64), compute_uv=False))
    ratios = squares / np.maximum(squares[:, :1], np.finfo(np.float64).tiny)
    return bool(((ratios > zero_ratio(columns)) & (ratios <= resolution((rows, columns)))).any())


def _decomposed(stack: NDArray[Any]) -> None:
    for matrix in stack:
        backend().singular_values(matrix)


def _batched(stack: NDArray[Any]) -> None:
    values = stack.astype(np.float64)
    turned = values.swapaxes(1, 2)
    np.linalg.eigvalsh(turned @ values if values.shape[1] >= values.shape[2] else values @ turned)


def _each(stack: NDArray[Any], solver: OpenBlas, solve: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    for matrix in stack:
        solve(solver.gram(matrix, np.float64))


def _discard(_: object) -> None:
    """Keep a lambda's type that of a procedure."""


def _cpu(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started
