"""What ``gate compare`` does: bring two models here, measure both, compare them tensor by tensor."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.analysis.comparison import Comparison, Side
    from gate.spectra.executors import Executor
    from gate.spectra.interface import Settings
    from gate.workflow.measure import MeasureOptions, Progress
    from gate.workflow.sources import RegistryAddress


def compare_sources(
    a: str,
    b: str,
    options: MeasureOptions,
    address: RegistryAddress,
    progress: Progress | None = None,
) -> Comparison:
    """Compare the models that two sources name; writes nothing but the cache.

    Raises
    ------
    gate.errors.UsageError
        A source is malformed or does not exist, or an option is not known.
    gate.errors.ModelError, gate.errors.NothingToMeasureError
        A model cannot be read, or holds no weight matrix.
    gate.errors.RegistryError, gate.errors.ResourceError
        One could not be brought here.
    """
    from gate.analysis.comparison import compare_weights  # noqa: PLC0415 - keeps `gate --help` fast

    settings, executor = options.settings(), options.make_executor()
    with (
        _opened(a, address, settings, executor, progress) as first,
        _opened(b, address, settings, executor, progress) as second,
    ):
        return compare_weights(first, second, _stage(progress, "Comparing layers"))


@contextlib.contextmanager
def _opened(
    source: str,
    address: RegistryAddress,
    settings: Settings,
    executor: Executor,
    progress: Progress | None,
) -> Iterator[Side]:
    """Yield a model measured, its files kept for the length of the block."""
    from gate.analysis import analyze_weights  # noqa: PLC0415 - as above
    from gate.analysis.comparison import Side  # noqa: PLC0415
    from gate.analysis.interface import Source  # noqa: PLC0415
    from gate.registry.pull import open_model  # noqa: PLC0415
    from gate.weights import read_weights  # noqa: PLC0415
    from gate.workflow.sources import locate  # noqa: PLC0415

    located = locate(source, address)
    connection = located.registry.connection if located.registry is not None else None
    with open_model(located.resolved, connection, _stage(progress, "Reading files")) as model:
        weights = read_weights(model.path, root=model.root)
        named = Source(uri=model.uri, format=weights.format, digest=model.digest, files=model.files)
        stage = _stage(progress, "Measuring layers")
        yield Side(weights, analyze_weights(weights, named, settings, stage, executor))


def _stage(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)
