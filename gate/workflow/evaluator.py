"""MLflow's own interface: ``mlflow.models.evaluate(..., evaluators="gate")``.

MLflow finds :class:`SpectralEvaluator` through the entry point group ``mlflow.model_evaluator``, and is
the only one to import this module.  The model's spectral metrics become metrics of the evaluation, under
``spectral/``, so that ``mlflow.validate_evaluation_results`` takes thresholds on them.  It decides
nothing and records no decision: that is ``gate check``.

MLflow loads a model that is passed as ``model``, which runs its code; one that is passed as ``model_id``
is only read.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, Final

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models.evaluation import EvaluationResult, ModelEvaluator
from mlflow.models.evaluation.artifacts import TextEvaluationArtifact

from gate.errors import ModelError, NothingToMeasureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.analysis.interface import Analysis

PREFIX: Final = "spectral/"
"""In front of every metric; MLflow's charts make a section of it."""

REPORT: Final = "gate/report.html"
_OPTIONS: Final = frozenset({"source", "convention", "full", "jobs", "seed", "float32"})

_logger = logging.getLogger(__name__)


class SpectralEvaluator(ModelEvaluator):  # type: ignore[misc]  # mlflow has no types
    """Measures the spectra of a model's weights.

    ``evaluator_config`` may hold ``source`` (any SOURCE the command takes, in place of the evaluated
    model) and ``convention``, ``full``, ``jobs``, ``seed`` and ``float32``, named as the command's flags.
    """

    @classmethod
    def can_evaluate(cls, *, model_type: str | None, evaluator_config: object, **_kwargs: object) -> bool:  # noqa: ARG003
        """Return True: weights have spectra whatever the model is for."""
        return True

    def evaluate(
        self,
        *,
        run_id: str,
        evaluator_config: Mapping[str, Any] | None = None,
        model: Any = None,
        model_id: str | None = None,
        **_kwargs: object,
    ) -> EvaluationResult | None:
        """Measure the model, log its report, and return its metrics.

        None, with a warning, where the model cannot be read or has no weight matrix: MLflow asks every
        evaluator that is installed unless told otherwise, and other evaluators' results must not be lost
        to one that has nothing to say.  A threshold on a metric that is missing fails all the same.

        Raises
        ------
        mlflow.exceptions.MlflowException
            The configuration is wrong, or it cannot be told which model is meant.
        gate.errors.RegistryError, gate.errors.ResourceError, gate.errors.UsageError
            The model could not be brought here.
        """
        config = dict(evaluator_config or {})
        if unknown := sorted(set(config) - _OPTIONS):
            raise MlflowException.invalid_parameter_value(
                f"the gate's evaluator does not know {', '.join(unknown)}; "
                f"it takes {', '.join(sorted(_OPTIONS))}"
            )
        source = str(config.pop("source", None) or _source(model, model_id))
        try:
            analysis = _analyze(source, config)
        except (ModelError, NothingToMeasureError) as error:
            _logger.warning("%s has no spectral metrics: %s", source, error)
            return None
        metrics = spectral_metrics(analysis)
        if model_id is None:  # else MLflow logs them, to the run and to the logged model
            mlflow.log_metrics(metrics, run_id=run_id)
        return EvaluationResult(metrics, {REPORT: _report(analysis, run_id)}, run_id)


def spectral_metrics(analysis: Analysis) -> dict[str, float]:
    """Return the finite model metrics and the share of the weights measured, under :data:`PREFIX`."""
    from gate.spectra import METRICS  # noqa: PLC0415 - MLflow imports this module at its own start

    found = {
        metric.field: getattr(analysis.model, metric.field) for metric in METRICS if metric.level == "model"
    }
    found["coverage"] = analysis.coverage.share
    return {
        f"{PREFIX}{name}": float(value)
        for name, value in found.items()
        if value is not None and math.isfinite(value)
    }


def _source(model: Any, model_id: str | None) -> str:
    """Return the SOURCE of what MLflow evaluates."""
    if model_id:
        return f"models:/{model_id}"
    metadata = getattr(model, "metadata", None)
    run_id, path = getattr(metadata, "run_id", None), getattr(metadata, "artifact_path", None)
    if run_id and path:
        return f"runs:/{run_id}/{path}"
    raise MlflowException.invalid_parameter_value(
        "the gate's evaluator reads weights from where MLflow keeps them, and cannot tell where these are: "
        'pass model_id, a logged model\'s URI as model, or evaluator_config={"source": "models:/NAME/1"}'
    )


def _analyze(source: str, options: Mapping[str, Any]) -> Analysis:
    from gate.workflow.measure import MeasureOptions, analyze_source  # noqa: PLC0415 - as above
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415 - as above

    address = RegistryAddress(mlflow.get_tracking_uri(), mlflow.get_registry_uri())
    return analyze_source(source, MeasureOptions(**options), address)


def _report(analysis: Analysis, run_id: str) -> TextEvaluationArtifact:
    """Log the report to the run, and return it as MLflow's artifact."""
    from gate.report import render_analysis  # noqa: PLC0415 - as above

    page = render_analysis(analysis, "html")
    mlflow.log_text(page, REPORT, run_id=run_id)
    root = mlflow.get_run(run_id).info.artifact_uri
    return TextEvaluationArtifact(uri=f"{root}/{REPORT}", content=page)
