"""Ordinary estimators name nothing that counts; whatever else their pickle names does."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler

from gate.errors import NothingToMeasureError
from gate.weights import read_weights
from gate.weights.artifact.estimators import beyond_estimators

if TYPE_CHECKING:
    from pathlib import Path

MLMODEL = (
    "flavors:\n  sklearn: {pickled_model: model.pkl}\n  python_function: {loader_module: mlflow.sklearn}\n"
)


def findings(model: Any, folder: Path) -> tuple[str, ...] | None:
    (folder / "MLmodel").write_text(MLMODEL, encoding="utf-8")
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    with pytest.raises(NothingToMeasureError, match="sklearn") as caught:
        read_weights(folder)
    return caught.value.unsafe_globals


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(3, random_state=0),
        GradientBoostingClassifier(n_estimators=3, random_state=np.random.RandomState(0)),
        make_pipeline(StandardScaler(), LogisticRegression()),
        MLPClassifier((8,), max_iter=5, random_state=0),
        HistGradientBoostingClassifier(max_iter=3, random_state=0),
        CalibratedClassifierCV(LogisticRegression(), cv=3),
        KNeighborsClassifier(algorithm="kd_tree"),
        KNeighborsClassifier(algorithm="ball_tree"),
        make_pipeline(SplineTransformer(), LogisticRegression()),
        make_pipeline(FunctionTransformer(np.cos), LogisticRegression()),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_an_ordinary_estimator_names_nothing_that_counts(model: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((60, 4))
    assert findings(model.fit(features, features[:, 0] > 0), tmp_path) == ()
    classes = np.digitize(features[:, 0], [-0.5, 0.5])  # the losses of several classes are others
    assert findings(model.fit(features, classes), tmp_path) == ()


def test_what_an_estimator_calls_counts(tmp_path: Path) -> None:
    assert findings(make_pipeline(FunctionTransformer(os.system)), tmp_path) == (f"{os.name}.system",)


@pytest.mark.parametrize(
    "name",
    [
        "posix.system",
        "numpy.testing._private.utils.runstring",
        "numpy.load",
        "numpy.lib.cos",
        "numpy._core._ufunc_reconstruct",
        "sklearn.utils.__pyx_unpickle_",
        "sklearn.utils._load",
        "sklearn.utils._joblib.load",
        "joblib.load",
        "sklearnish.Estimator",
        "unreadable pickle model.pkl",
        "loader_module evil",
    ],
)
def test_functions_and_strangers_count(name: str) -> None:
    assert beyond_estimators(["sklearn.tree._tree.Tree", name, "numpy.ndarray"]) == (name,)
