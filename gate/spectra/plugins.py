"""Metrics of third parties: one function of a spectrum each (docs/how-to/plugins.md)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from gate.errors import GateError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from gate.plugins import Plugin
    from gate.spectra.interface import Metric, Settings
    from gate.spectra.spectrum import Spectrum


class LayerMetric(Protocol):
    """What an entry point of the group ``gate.metrics`` gives."""

    @property
    def metric(self) -> Metric:
        """The entry of the table: id ``layer.NAME`` with the entry point's name, level ``layer``."""
        ...

    def measure(self, eigenvalues: NDArray[np.float64], rows: int, columns: int) -> float | None:
        """Return the figure of one layer, None where it does not exist; must not change its input.

        Parameters
        ----------
        eigenvalues:
            The positive eigenvalues of X = WᵀW in ascending order, of all pooled matrices.
        rows, columns:
            N and M of each matrix, N ≥ M.
        """
        ...


def plugin_metrics(plugins: Iterable[Plugin]) -> tuple[Metric, ...]:
    """Return the entries of the table that plugins add.

    Raises
    ------
    gate.errors.ResourceError
        An entry is not of the form that :class:`LayerMetric` says.
    gate.errors.UsageError
        A plugin cannot be loaded.
    """
    return tuple(_entry(plugin) for plugin in plugins)


def measure_plugins(spectrum: Spectrum, settings: Settings) -> Mapping[str, float | None]:
    """Return what each plugin of ``settings`` says of a spectrum, by the plugin's name.

    Raises
    ------
    gate.errors.ResourceError
        A plugin failed: a figure that policies ask for must not go missing in silence.
    """
    eigenvalues = spectrum.positive.copy()
    eigenvalues.flags.writeable = False
    plugin_metrics(settings.plugins)  # a figure under a wrong name is worse than none
    return {plugin.name: _measured(plugin, eigenvalues, spectrum) for plugin in settings.plugins}


def _measured(plugin: Plugin, eigenvalues: NDArray[np.float64], spectrum: Spectrum) -> float | None:
    try:
        value = plugin.load().measure(eigenvalues, spectrum.rows, spectrum.columns)
        return None if value is None or not math.isfinite(value) else float(value)
    except GateError:
        raise
    except Exception as error:
        raise _failed(plugin, f"failed: {type(error).__name__}: {error}") from error


def _entry(plugin: Plugin) -> Metric:
    entry: Metric | None = getattr(plugin.load(), "metric", None)
    if entry is None or entry.id != f"layer.{plugin.name}" or entry.level != "layer":
        raise _failed(plugin, f"has no entry with the id layer.{plugin.name} and the level layer")
    return entry


def _failed(plugin: Plugin, why: str) -> ResourceError:
    return ResourceError(
        f"the metric {plugin.identity} {why}",
        hint=f"Report it to the authors of {plugin.distribution}, or leave it out of GATE_PLUGINS.",
    )
