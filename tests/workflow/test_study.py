"""Studies of real files and of a real registry, with a trend planted in the scale of the weights.

A matrix times s has the same alpha and a log spectral norm larger by 2 log10 s: quality that falls
with log10 s goes with the norm in perfect order within each architecture.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from gate.errors import ModelError, NothingToMeasureError, RegistryError, UsageError
from gate.registry import Registry
from gate.study import StudySettings
from gate.workflow.measure import MeasureOptions
from gate.workflow.sources import RegistryAddress
from gate.workflow.study import StudyRequest, run_study
from tests.mlflow_server import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from gate.study import Study

QUICK = StudySettings(resamples=50, permutations=199)
SCALES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)


def _weights(depth: int, scale: float) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(depth)
    return {
        f"layers.{place}.weight": (scale * generator.standard_t(3, (64, 48))).astype(np.float32)
        for place in range(depth)
    }


def _quality(depth: int, scale: float) -> float:
    return 0.9 - 0.05 * float(np.log10(scale)) - 0.01 * depth


def _folder(place: Path) -> Path:
    """Twelve models in two architectures, a torn one, one that the table does not know, and the table."""
    place.mkdir()
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["file", "test_accuracy", "family"])
    for depth in (1, 2):
        for scale in SCALES:
            name = f"net-{depth}-{scale}.safetensors"
            save_file(_weights(depth, scale), place / name)
            writer.writerow([name, _quality(depth, scale), "odd" if depth == 1 else "even"])
    (place / "torn.safetensors").write_bytes(b"\xff" * 100)
    writer.writerow(["torn.safetensors", 0.5, "odd"])
    writer.writerow(["gone.safetensors", 0.5, "odd"])
    save_file(_weights(1, 3.0), place / "unknown.safetensors")
    (place / "link.safetensors").symlink_to(place / "unknown.safetensors")
    (place / "quality.csv").write_text(table.getvalue(), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _folder(tmp_path_factory.mktemp("study") / "models")


def _study(*sources: str | Path, **changes: Any) -> Study:
    return run_study(replace(StudyRequest(tuple(map(str, sources)), QUICK), **changes))


def _check_planted(found: Study) -> None:
    norm = found.metric("log_spectral_norm")
    assert [group.n for group in norm.groups] == [6, 6]
    for group in norm.groups:
        assert group.kendall_tau == pytest.approx(-1)
        assert group.r2 == pytest.approx(1)
        assert group.slope == pytest.approx(-0.05 / 2, rel=1e-4)  # per decade of the squared norm
        assert group.label == "strong"
    alpha = found.metric("alpha")
    assert all(group.label == "none" or abs(group.slope or 0) > 1 for group in alpha.groups)  # rounding alone
    judged = {each.metric: each.answer for each in found.judgements if each.change == "hyperparameters"}
    assert judged["log_spectral_norm"] == "may"


def test_a_folder_with_its_table(folder: Path) -> None:
    found = _study(folder)
    assert found.group == "architecture"
    assert all(size.group.startswith("sha256:") for size in found.groups)
    _check_planted(found)
    left_out = {each.model: each.reason for each in found.left_out}
    assert left_out.keys() == {
        "torn.safetensors",
        "gone.safetensors",
        "unknown.safetensors",
        "link.safetensors",
    }
    assert left_out["gone.safetensors"] == "there is no such model"
    assert left_out["unknown.safetensors"].startswith("no row of")
    assert "link" in left_out["link.safetensors"]
    assert left_out["torn.safetensors"]


def test_depth_and_columns_make_sub_groups_too(folder: Path) -> None:
    assert [(size.group, size.n) for size in _study(folder, group=("depth",)).groups] == [("1", 6), ("2", 6)]
    assert [(size.group, size.n) for size in _study(folder, group=("family",)).groups] == [
        ("even", 6),
        ("odd", 6),
    ]


def test_single_models_and_a_table(folder: Path) -> None:
    sources = [folder / f"net-1-{scale}.safetensors" for scale in SCALES]
    found = _study(*sources, table=folder / "quality.csv")
    assert len(found.models) == 6
    assert found.metric("log_spectral_norm").pooled.kendall_tau == pytest.approx(-1)


def test_the_cache_is_used_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "models"
    place.mkdir()
    generator = np.random.default_rng(0)
    for name in "abc":
        save_file({"fc.weight": generator.standard_normal((512, 400))}, place / f"{name}.safetensors")
    (place / "q.csv").write_text("file,acc\na,1\nb,2\nc,4\n", encoding="utf-8")
    request = StudyRequest((str(place),), QUICK, options=MeasureOptions(cache=True))
    told: list[str] = []
    first = run_study(request, tell=told.append)
    assert told == []
    assert run_study(request, tell=told.append) == first == _study(place)
    (note,) = told
    assert note.startswith("3 layers were measured before")


def test_progress_counts_models_and_metrics(folder: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    run_study(StudyRequest((str(folder),), QUICK), lambda *each: seen.append(each))
    models = [(done, total) for stage, done, total in seen if stage == "Measuring models"]
    assert models == [(place, 13) for place in range(14)]
    done, total = [(done, total) for stage, done, total in seen if stage == "Studying metrics"][-1]
    assert done == total > 10


def test_equal_weights_are_told(folder: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twins"
    twin.mkdir()
    rows = ["file,acc"]
    for place in range(4):
        save_file(_weights(1, 1.0 if place < 2 else place), twin / f"{place}.safetensors")
        rows.append(f"{place}.safetensors,{place / 10}")
    (twin / "table.csv").write_text("\n".join(rows), encoding="utf-8")
    (note,) = [note for note in _study(twin).notes if "same weights" in note]
    assert "0.safetensors = 1.safetensors" in note


def test_where_every_model_is_broken_the_first_error_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 64)
    (tmp_path / "b.safetensors").write_bytes(b"\xff" * 64)
    (tmp_path / "q.csv").write_text("file,acc\na,1\nb,2\n", encoding="utf-8")
    with pytest.raises(ModelError):
        _study(tmp_path)


def test_a_folder_without_a_table_says_what_it_needs(tmp_path: Path) -> None:
    save_file(_weights(1, 1.0), tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="holds 0 tables") as caught:
        _study(tmp_path)
    assert caught.value.hint is not None
    assert "--table" in caught.value.hint


def test_nothing_is_measured_for_a_mistyped_name(folder: Path) -> None:
    for changes in ({"quality": "accuracy"}, {"training_quality": "train"}, {"group": ("width",)}):
        with pytest.raises(UsageError, match="no model has a"):
            run_study(replace(StudyRequest((str(folder),), QUICK), **changes), pytest.fail)  # type: ignore[arg-type]


def test_a_model_without_the_quality_is_named_and_not_measured(tmp_path: Path) -> None:
    rows = ["file,acc"]
    for place in range(4):
        save_file(_weights(1, 1.0 + place), tmp_path / f"{place}.safetensors")
        rows.append(f"{place}.safetensors,{'' if place == 3 else place}")
    (tmp_path / "q.csv").write_text("\n".join(rows), encoding="utf-8")
    seen: list[int] = []
    found = run_study(StudyRequest((str(tmp_path),), QUICK), lambda stage, done, total: seen.append(total)
                      if stage == "Measuring models" else None)  # fmt: skip
    assert set(seen) == {3}
    assert [(each.model, each.reason) for each in found.left_out] == [("3.safetensors", "it has no acc")]


def test_an_empty_folder_is_nothing_to_study(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("file,acc\na.safetensors,1\n", encoding="utf-8")
    with pytest.raises(NothingToMeasureError, match="there is no such model"):
        _study(tmp_path)


def _csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "figures.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_of_figures_says_what_it_chose(tmp_path: Path) -> None:
    rows = "".join(f"m{x},{x % 2},{x * x % 7},{x / 10},{x / 9}\n" for x in range(12))
    found = _study(_csv(tmp_path, "model,depth,alpha,test_accuracy,train_accuracy\n" + rows))
    assert (found.quality, found.group) == ("test_accuracy", "depth")
    assert found.training is not None
    assert found.training.training_quality == "train_accuracy"
    assert [metric.metric for metric in found.metrics] == ["alpha"]
    assert found.notes == (
        "Quality, as --quality was not given: test_accuracy.",
        "Sub-groups, as --group was not given: depth.",
        "Training quality, by its name: train_accuracy.",
    )


def test_tables_and_models_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds figures"):
        _study(folder, _csv(tmp_path, "a,b\n1,2\n"))


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("model,depth,a,b\nx,1,2,3\n", UsageError, "say which quality"),
        ("model,depth,note\nx,1,good\n", UsageError, "nothing is known of the quality"),
        (
            "model,alpha,accuracy\nx,1,2\ny,2,3\nz,3,4\n",
            UsageError,
            "no model has a sub-group|say what makes",
        ),
        ("model,depth,alpha,accuracy\nx,1,2,0.5\n", NothingToMeasureError, "1 of 1 models"),
    ],
)
def test_a_table_with_too_little_says_what_is_missing(
    tmp_path: Path, text: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        _study(_csv(tmp_path, text))


@dataclass(frozen=True)
class Sweep:
    """An experiment on the server, whose models are registered as well."""

    address: RegistryAddress
    client: Any
    experiment: str
    experiment_id: str
    model: str


@pytest.fixture(scope="module")
def sweep(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    client = Registry.connect(mlflow_server).connection.client
    name = 'sweep\'s "study"'
    identifier = client.create_experiment(name)
    client.create_registered_model("studied")
    place = tmp_path_factory.mktemp("sweep")
    for depth in (1, 2):
        for scale in SCALES:
            run_id = client.create_run(identifier).info.run_id
            client.log_param(run_id, "depth", depth)
            client.set_tag(run_id, "family", "dense")
            client.log_metric(run_id, "test_accuracy", _quality(depth, scale))
            client.log_metric(run_id, "train_accuracy", 0.9 + scale / 100)
            save_file(_weights(depth, scale), place / "model.safetensors")
            client.log_artifact(run_id, str(place / "model.safetensors"), "model")
            client.create_model_version(
                "studied", f"runs:/{run_id}/model", run_id, tags={"owner": f"team {depth}"}
            )
    client.create_run(identifier)
    torn = client.create_run(identifier).info.run_id
    client.log_metric(torn, "test_accuracy", 0.1)
    (place / "model.safetensors").write_bytes(b"\xff" * 100)
    client.log_artifact(torn, str(place / "model.safetensors"), "model")
    return Sweep(RegistryAddress(mlflow_server), client, name, identifier, "studied")


def test_an_experiment_by_name_and_by_id(sweep: Sweep) -> None:
    by_name = _study(f"experiment:{sweep.experiment}", address=sweep.address)
    _check_planted(by_name)
    assert by_name.quality == "test_accuracy"
    assert by_name.training is not None
    reasons = sorted(each.reason for each in by_name.left_out)
    assert len(reasons) == 2
    assert "the run logged no model" in reasons
    by_id = _study(f"experiment:{sweep.experiment_id}", address=sweep.address)
    assert replace(by_id, sources=()) == replace(by_name, sources=())


def test_every_version_of_a_registered_model_by_parameter_and_by_tag(sweep: Sweep) -> None:
    by_parameter = _study("models:/studied", address=sweep.address, group=("param:depth",))
    _check_planted(by_parameter)
    assert [size.group for size in by_parameter.groups] == ["1", "2"]
    assert by_parameter.models[0].model == "models:/studied/1"
    by_tag = _study("models:/studied", address=sweep.address, group=("tag:owner",))
    assert [size.group for size in by_tag.groups] == ["team 1", "team 2"]
    bare = _study("models:/studied", address=sweep.address, group=("owner",))
    assert bare.groups == by_tag.groups


def test_single_versions_have_what_their_runs_know(sweep: Sweep) -> None:
    found = _study(*(f"models:/studied/{version}" for version in range(1, 7)), address=sweep.address)
    assert len(found.models) == 6
    assert found.metric("log_spectral_norm").pooled.kendall_tau == pytest.approx(-1)


def test_a_model_logged_by_mlflows_own_flavour_is_found(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow  # noqa: PLC0415 - takes seconds, and only this test logs through it
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    mlflow.set_tracking_uri(sweep.address.tracking_uri)
    mlflow.set_experiment("logged models")
    for place in range(3):
        weights = numpy_helper.from_array(_weights(1, 1.0 + place)["layers.0.weight"], "w")
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])], "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 64])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 48])], [weights],
        )  # fmt: skip
        with mlflow.start_run():
            mlflow.onnx.log_model(
                helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), name="net",
                pip_requirements=["onnx"],
            )  # fmt: skip
            mlflow.log_metric("accuracy", 0.9 - place / 10)
    found = _study("experiment:logged models", address=sweep.address)
    assert len(found.models) == 3
    assert found.left_out == ()
    assert found.metric("log_spectral_norm").pooled.kendall_tau == pytest.approx(-1)


@pytest.mark.parametrize(
    "source", ["experiment:nothing here", "models:/nothing-here", "experiment:123456789"]
)
def test_what_does_not_exist_is_a_mistake_in_the_question(sweep: Sweep, source: str) -> None:
    with pytest.raises(UsageError):
        _study(source, address=sweep.address)


def test_a_dead_server_is_told_as_one() -> None:
    with pytest.raises(RegistryError):
        _study("models:/studied", address=RegistryAddress(f"http://127.0.0.1:{free_port()}"))
