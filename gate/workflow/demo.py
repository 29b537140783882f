"""The demonstration: three real releases of one model and a damaged one, judged and promoted.

Nothing is tuned to make a release pass or fail: the packaged default policy says what it says.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gate.errors import UsageError
from gate.workflow.check import CheckRequest, check_source
from gate.workflow.measure import MeasureOptions
from gate.workflow.packages import fetch_package_file
from gate.workflow.promote import promote_version
from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import onnx

MODEL: Final = "silero-vad"
MEMBER: Final = "silero_vad/data/silero_vad.onnx"
MARKER: Final = ".gate-demo"
SEED: Final = 20210601


@dataclass(frozen=True, slots=True)
class Release:
    """One release: its package version and the digest of the file inside the wheel."""

    version: str
    sha256: str


RELEASES: Final = (
    Release("5.1", "2623a2953f6ff3d2c1e61740c6cdb7168133479b267dfef114a4a3cc5bdd788f"),
    Release("6.0.0", "597d30b3ec076608d059477bb14cfeffdf951bf5cae370d38f65d33bbfe82004"),
    Release("6.2.0", "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"),
)


def run_demo(directory: Path, *, jobs: int | None = None) -> Iterator[str]:
    """Run the whole story in ``directory`` and yield what happens, in lines for people.

    Raises
    ------
    gate.errors.UsageError
        The directory holds something that no demo of ours wrote.
    gate.errors.GateError
        A release could not be fetched, or the embedded registry failed.
    """
    registry = _fresh_registry(directory)
    yield f"An MLflow of its own in {directory}: SQLite and local files, nothing else is touched."
    paths = [fetch_package_file("silero-vad", r.version, MEMBER, r.sha256) for r in RELEASES]
    for number, (release, path) in enumerate(zip(RELEASES, paths, strict=True), start=1):
        yield from _register(registry, path, number, f"silero-vad {release.version}, as released")
        yield from _judge_and_promote(registry, number, jobs)
    damaged, names = damaged_copy(paths[-1], directory / "damaged.onnx")
    number = len(RELEASES) + 1
    described = f"{' and '.join(names)} of {RELEASES[-1].version} overwritten with noise of the same scale"
    yield from _register(registry, damaged, number, described)
    yield from _judge_and_promote(registry, number, jobs)
    yield from _closing(registry, directory)


def _fresh_registry(directory: Path) -> RegistryAddress:
    """Empty what an earlier demo left, and only that."""
    marker = directory / MARKER
    if directory.exists() and any(directory.iterdir()):
        if not marker.is_file():
            raise UsageError(
                f"{directory} is not empty and no demo wrote it",
                hint="Name an empty folder with --directory.",
            )
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    marker.touch()
    uri = f"sqlite:///{(directory / 'mlflow.db').resolve().as_posix()}"
    return RegistryAddress(tracking_uri=uri, registry_uri=uri)


def _register(registry: RegistryAddress, path: Path, number: int, described: str) -> Iterator[str]:
    """Log the model as a training job would, with MLflow's own flavour, and register it."""
    import mlflow  # noqa: PLC0415 - takes seconds
    import onnx  # noqa: PLC0415

    from gate.registry import Naming  # noqa: PLC0415 - as above

    yield f"\n── version {number}: {described}"
    with _quiet_mlflow():
        mlflow.set_tracking_uri(registry.tracking_uri)
        mlflow.set_registry_uri(registry.registry_uri)
        chosen = _experiment(MODEL, registry)
        _experiment(Naming().experiment(MODEL), registry)
        with mlflow.start_run(experiment_id=chosen, run_name=f"version {number}"):
            mlflow.onnx.log_model(
                onnx.load(path),
                name="model",
                registered_model_name=MODEL,
                pip_requirements=["onnxruntime"],
            )


def _experiment(name: str, registry: RegistryAddress) -> str:
    """Return an experiment with its files in the demo's folder; MLflow's choice is the folder one is in."""
    import mlflow  # noqa: PLC0415 - as above

    found = mlflow.get_experiment_by_name(name)
    location = (path_of(registry).parent / "artifacts").resolve().as_uri()
    return str(found.experiment_id if found else mlflow.create_experiment(name, location))


def path_of(registry: RegistryAddress) -> Path:
    """Return the path of an SQLite registry's file."""
    from pathlib import Path  # noqa: PLC0415

    return Path((registry.tracking_uri or "").removeprefix("sqlite:///"))


@contextlib.contextmanager
def _quiet_mlflow() -> Iterator[None]:
    """Keep MLflow's own chatter out of the story; its errors still raise."""
    import io  # noqa: PLC0415
    import logging  # noqa: PLC0415

    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _judge_and_promote(registry: RegistryAddress, number: int, jobs: int | None) -> Iterator[str]:
    """Check a version against the one before it, then ask for the alias ``champion``."""
    from gate.report import render_verdict  # noqa: PLC0415

    request = CheckRequest(
        source=f"models:/{MODEL}/{number}",
        baselines=(f"version:{number - 1}",) if number > 1 else ("none",),
        options=MeasureOptions(jobs=jobs),
        record=True,
        address=registry,
    )
    yield f"$ gate check {request.source} --baseline {request.baselines[0]}"
    with _quiet_mlflow():
        result = check_source(request)
    yield render_verdict(result.verdict, "text").rstrip("\n")
    with _quiet_mlflow():
        promoted = promote_version(replace(request, baselines=()), "champion")
    yield f"$ gate promote models:/{MODEL}/{number} --alias champion"
    yield promoted.message


def damaged_copy(path: Path, target: Path) -> tuple[Path, tuple[str, ...]]:
    """Write a copy of an ONNX model whose two largest matrices are noise, as a broken export would.

    The noise is Gaussian, seeded, of each matrix's own mean and spread.  Returns the copy's path
    and the names of the layers.
    """
    import onnx  # noqa: PLC0415

    from gate.weights import read_weights  # noqa: PLC0415

    layers = [layer for layer in read_weights(path).layers if layer.kind not in {"depthwise", "embedding"}]
    largest = sorted(layers, key=lambda layer: -layer.parameters)[:2]
    model = onnx.load(path)
    generator = np.random.default_rng(SEED)
    for layer in largest:
        _overwrite(_tensor_called(model.graph, layer.tensor), generator)
    onnx.save(model, target)
    return target, tuple(layer.name for layer in largest)


def _overwrite(tensor: onnx.TensorProto, generator: np.random.Generator) -> None:
    from onnx import numpy_helper  # noqa: PLC0415

    values = numpy_helper.to_array(tensor)
    noise = generator.normal(values.mean(), values.std(), values.shape).astype(values.dtype)
    tensor.CopyFrom(numpy_helper.from_array(noise, tensor.name))


def _tensor_called(graph: onnx.GraphProto, name: str) -> Any:
    """Find a tensor by its name, in initialisers and Constant nodes, nested graphs included."""
    found = next(_tensors_called(graph, name), None)
    if found is None:
        raise UsageError(f"the release holds no tensor {name}")
    return found


def _tensors_called(graph: Any, name: str) -> Iterator[Any]:
    yield from (tensor for tensor in graph.initializer if tensor.name == name)
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and name in node.output and attribute.name == "value":
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors_called(attribute.g, name)


def _closing(registry: RegistryAddress, directory: Path) -> Iterator[str]:
    """Say who the champion is and how to open the reports."""
    from gate.registry import MissingError  # noqa: PLC0415
    from gate.workflow.sources import locate  # noqa: PLC0415

    try:
        champion = f"version {locate(f'models:/{MODEL}@champion', registry).resolved.version}"
    except MissingError:
        champion = "none"
    yield f"\n── champion: {champion}"
    yield "Open the reports in MLflow's own UI (registered model, version, link in its description):"
    yield f"  mlflow server --backend-store-uri {registry.tracking_uri} --port 5000"
    yield f"  http://127.0.0.1:5000/#/models/{MODEL}"
    yield f"  or the files: {directory}/artifacts/"
