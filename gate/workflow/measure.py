"""From a source to its analysis: open it, list its weights, measure them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.analysis.interface import Analysis
    from gate.registry.pull import LocalModel
    from gate.spectra.executors import Executor
    from gate.spectra.interface import Group, Settings
    from gate.workflow.sources import Located, RegistryAddress

    Progress = Callable[[str, int, int], None]
    """Called with the stage's name, what is done and what there is to do."""


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """The flags that say how and where to measure; names as on the command line.

    ``cache`` keeps finished layers in the folder of :func:`gate.workflow.cache.cache_folder`.
    """

    convention: str = "gate-1"
    full: bool = False
    jobs: int | None = None
    seed: int = 0
    float32: bool = False
    executor: str = "local"
    cache: bool = False

    def settings(self, groups: frozenset[Group] = frozenset()) -> Settings:
        """Return the engine's settings; ``groups`` are those that policies need beside these.

        Raises
        ------
        gate.errors.UsageError
            There is no convention of that name, or a plugin that was named is not there.
        """
        from gate.plugins import enabled  # noqa: PLC0415 - as below
        from gate.spectra import convention  # noqa: PLC0415 - keeps `gate --help` fast
        from gate.spectra.interface import GROUPS, Settings  # noqa: PLC0415

        return Settings(
            convention=convention(self.convention),
            groups=frozenset(GROUPS) if self.full else groups | {"default"},
            seed=self.seed,
            float32=self.float32,
            jobs=self.jobs,
            plugins=enabled("metrics"),
        )

    def make_executor(self) -> Executor:
        """Return what runs the measuring; connects to nothing yet.

        Raises
        ------
        gate.errors.UsageError
            There is no such executor, or somebody else could write to the cache that was named.
        """
        from gate.spectra.executors import executor_named  # noqa: PLC0415 - keeps `gate --help` fast
        from gate.workflow.cache import open_cache  # noqa: PLC0415

        return executor_named(self.executor, open_cache() if self.cache else None)


def analyze_source(
    source: str,
    options: MeasureOptions,
    address: RegistryAddress,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> Analysis:
    """Measure the model that ``source`` names; writes nothing but the cache.

    ``tell`` is called with each thing that a person should know beside the analysis.

    Raises
    ------
    gate.errors.UsageError
        The source is malformed or does not exist, or an option is not known.
    gate.errors.ModelError
        The model cannot be read, or is not safe to read.
    gate.errors.NothingToMeasureError
        It holds no weight matrix.
    gate.errors.RegistryError, gate.errors.ResourceError
        It could not be brought here.
    """
    from gate.workflow.sources import locate  # noqa: PLC0415

    settings, executor = options.settings(), options.make_executor()
    analysis = measure(locate(source, address), settings, progress, executor)
    if tell is not None:
        for note in executor.notes:
            tell(note)
    return analysis


def measure(
    located: Located,
    settings: Settings,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Analysis:
    """Pull, read and measure one model; raises as :func:`analyze_source` does."""
    from gate.registry.pull import open_model  # noqa: PLC0415 - keeps `gate --help` fast

    connection = located.registry.connection if located.registry is not None else None
    with open_model(located.resolved, connection, _stage(progress, "Reading files")) as model:
        return measure_files(model, settings, progress, executor)


def measure_files(
    model: LocalModel,
    settings: Settings,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Analysis:
    """Read and measure files that are on this machine; raises as :func:`analyze_source` does."""
    from gate.analysis import analyze_weights  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.analysis.interface import Source  # noqa: PLC0415
    from gate.weights import read_weights  # noqa: PLC0415

    weights = read_weights(model.path, root=model.root)
    source = Source(uri=model.uri, format=weights.format, digest=model.digest, files=model.files)
    return analyze_weights(weights, source, settings, _stage(progress, "Measuring layers"), executor)


def _stage(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)
