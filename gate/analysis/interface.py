"""The analysis of one model: what ``gate analyze --format json`` prints.

Field names are the contract's (docs/reference/json.md); they may be added to, never changed
within a schema number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.spectra.interface import LayerMetrics, LayerPlot, ModelSummary

ANALYSIS_SCHEMA: Final = "gate/analysis/1"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the artifact: POSIX path relative to its root, size in bytes, ``sha256:...``."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where the model came from; ``digest`` is of a manifest over every file of the artifact."""

    uri: str
    format: str
    digest: str
    files: tuple[SourceFile, ...]


@dataclass(frozen=True, slots=True)
class Engine:
    """What measured it; ``settings`` holds everything that changes a number."""

    version: str
    convention: str
    settings: Mapping[str, str | int | float | bool | list[str] | None]


@dataclass(frozen=True, slots=True)
class SkippedLayer:
    """A layer or file that was not measured, and why."""

    name: str
    reason: str
    parameters: int = 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the model was measured.

    ``parameters`` counts the weights in matrices, embeddings apart; ``analyzed_parameters`` those
    of them in layers whose spectrum was computed.  ``layers`` and ``analyzed_layers`` count the
    weight layers likewise, embeddings included.
    """

    parameters: int
    analyzed_parameters: int
    layers: int
    analyzed_layers: int
    skipped: tuple[SkippedLayer, ...]
    embedding_parameters: int = 0
    vector_parameters: int = 0

    @property
    def share(self) -> float:
        """Share of the parameters in matrices that were measured; 0 when there are none."""
        return self.analyzed_parameters / self.parameters if self.parameters else 0.0


@dataclass(frozen=True, slots=True)
class FileFindings:
    """What was odd about the file itself."""

    unsafe_globals: tuple[str, ...] = ()
    unreferenced_bytes: int = 0
    nested_archives: tuple[str, ...] = ()
    batch_norms: int = 0


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything measured on one model.

    ``architecture`` fingerprints the layers in their order, ``layout`` in no order; neither looks at
    names.  ``layout`` is empty in analyses that were saved before it existed.
    """

    source: Source
    engine: Engine
    coverage: Coverage
    file: FileFindings
    architecture: str
    model: ModelSummary
    layers: tuple[LayerMetrics, ...]
    plots: Mapping[str, LayerPlot] = field(default_factory=dict)
    layout: str = ""
    schema: str = ANALYSIS_SCHEMA
