"""Every command in the documentation runs, every policy in it is valid, every JSON parses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import mlflow
import numpy as np
import pytest
from onnxruntime.quantization import quantize_dynamic
from ruamel.yaml import YAML
from safetensors.numpy import save_file

from gate.policy import load_policies
from tests.cli.command import gate
from tests.docs.pages import PAGES, REACHED_ITS_END, ROOT, SHELL, Block, blocks, commands, script
from tests.mlflow_server import free_port, running_server
from tests.spectra.layers import pareto, with_eigenvalues

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_REGISTERED: Final = ("fraud", "fraud-detector", "churn")
_VERSIONS: Final = 8


def weights(version: int) -> dict[str, NDArray[np.float32]]:
    """Return eight layers with heavy tails, a little different in every version."""
    found: dict[str, NDArray[np.float32]] = {}
    for layer in range(8):
        planted = with_eigenvalues(pareto(150, 3.0, layer), 200, layer)
        noise = np.random.default_rng([version, layer]).standard_normal(planted.shape)
        found[f"encoder.{layer}.weight"] = (planted * (1 + 0.01 * noise)).astype(np.float32)
    return found


def save_onnx(path: Path, version: int) -> None:
    import onnx  # noqa: PLC0415 - heavy
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    matrices = {name: np.ascontiguousarray(value.T) for name, value in weights(version).items()}
    nodes, data = [], "x"
    for place, (name, matrix) in enumerate(matrices.items()):
        weight = name if place % 2 == 0 else f"{name}.turned"
        nodes.append(helper.make_node("MatMul", [data, weight], [f"y{place}"]))
        matrices[name] = matrix if place % 2 == 0 else np.ascontiguousarray(matrix.T)
        data = f"y{place}"
    initializers = [
        numpy_helper.from_array(matrix, name if place % 2 == 0 else f"{name}.turned")
        for place, (name, matrix) in enumerate(matrices.items())
    ]
    ends = [
        helper.make_tensor_value_info(end, TensorProto.FLOAT, [1, size])
        for end, size in (("x", 150), (data, 150))
    ]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the pages speak of."""
    folder = tmp_path_factory.mktemp("files")
    save_onnx(folder / "model.onnx", 2)
    save_onnx(folder / "yesterday.onnx", 1)
    save_file(weights(2), folder / "model.safetensors")
    quantize_dynamic(folder / "model.onnx", folder / "model.int8.onnx")
    (folder / "models").mkdir()
    for version in range(1, 5):
        save_file(weights(version), folder / "models" / f"{version}.safetensors")
    rows = [f"{version}.safetensors,0.9{version},small" for version in range(1, 5)]
    (folder / "models" / "known.csv").write_text("\n".join(["file,test_accuracy,family", *rows]))
    (folder / "figures.csv").write_text("\n".join(_figures()))
    shutil.copytree(ROOT / "policies", folder / "policies")
    (folder / "policies" / "production.yaml").write_text(
        (ROOT / "policies" / "default.yaml").read_text().replace("name: default", "name: production")
    )
    shutil.copy(folder / "policies" / "production.yaml", folder)
    shutil.copy(folder / "policies" / "default.test.yaml", folder / "production.test.yaml")
    (folder / "gate-report").mkdir()
    judged = gate("check", "model.onnx", "--format", "json", "-o", "verdict.json", folder=folder)
    assert judged.returncode == 0, judged.stderr
    shutil.copy(folder / "verdict.json", folder / "gate-report")
    return folder


def _figures() -> Iterator[str]:
    """Yield a table of figures: three sub-groups of eight models, a gap that falls with the metric."""
    yield "model,task,subgroup,alpha,generalization_gap"
    for number in range(24):
        group, step = divmod(number, 8)
        noise = (number * 37 % 11) / 100
        yield f"m{number},one,g{group},{2 + step / 4 + group},{0.5 - step / 20 + group / 10 + noise}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[str]:
    """Run a server with the registered models that the pages speak of."""
    with running_server(tmp_path_factory.mktemp("registry")) as address:
        client = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
        experiment = client.create_experiment("my-sweep")
        for name in _REGISTERED:
            client.create_registered_model(name)
        for version in range(1, _VERSIONS + 1):
            run = client.create_run(experiment)
            save_onnx(files / "version.onnx", version)
            client.log_artifact(run.info.run_id, str(files / "version.onnx"), "model")
            client.log_param(run.info.run_id, "depth", 2 + version % 2)
            for metric in ("val_accuracy", "test_accuracy", "val_auc"):
                client.log_metric(run.info.run_id, metric, 0.9 + version / 1000)
            for name in _REGISTERED:
                client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
        (files / "version.onnx").unlink()
        yield address


def _here(folder: Path) -> dict[str, str]:
    """Return what pages say of machines that are not here, and what stands for it."""
    port = free_port()
    database = f"sqlite:///{folder / 'registry.db'}"
    return {
        "gate:postgresql+psycopg2://USER:PASSWORD@HOST/mlflow": f"gate:{database}",
        "postgresql+psycopg2://USER:PASSWORD@HOST/mlflow": database,
        "gate:s3://bucket/mlflow --workers 4": f"gate:{folder / 'artifacts'} --workers 1 --port {port}",
        "ed25519-ID": "$(sed -n 's/^id: \"\\(.*\\)\"/\\1/p' gate-config/keys/check.yaml)",
    }


def with_commands() -> list[str]:
    return [
        page
        for page in PAGES
        if any(
            block.language in SHELL and block.why_not is None and commands(block) for block in blocks(page)
        )
    ]


@pytest.mark.timeout(900)  # a page is a dozen commands or more, each with imports of its own
@pytest.mark.parametrize("page", with_commands())
def test_the_commands_on_the_page_run(page: str, registry: str, files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    shutil.copytree(files, folder)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "GATE_"))
    }
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
        "HOME": str(tmp_path),
        "GATE_CACHE": "off",
        "MLFLOW_TRACKING_URI": registry,
        "VIRTUAL_ENV": str(Path(sys.executable).parent.parent),
    }
    text = script(page, {"http://mlflow.example:5000": registry, **_here(folder)})
    if ".demo/" in text and "gate demo" not in text:
        demonstrated = gate("demo", "--directory", ".demo", folder=folder)
        assert demonstrated.returncode == 0, demonstrated.stderr
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.endswith(f"{REACHED_ITS_END}\n"), done.stdout[-3000:] + done.stderr[-3000:]


def test_a_here_document_at_a_prompt_is_one_command_and_ends() -> None:
    code = """$ cat > a.yaml <<'END'
name: it's one
# a comment
END
$ gate policy \\
    validate a.yaml
a.yaml: fine
$ gate doctor
"""
    found = commands(Block("page.md", 1, "console", code, ""))
    assert found == (
        "cat > a.yaml <<'END'\nname: it's one\nEND",
        "gate policy \\\n    validate a.yaml",
        "gate doctor",
    )


@pytest.mark.parametrize("page", PAGES)
def test_policies_yaml_and_json_on_the_page_are_valid(page: str, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.language == "json":
            json.loads(block.code)
        if block.language in {"yaml", "yml"}:
            document: Any = YAML(typ="safe", pure=True).load(block.code)
            if isinstance(document, dict) and {"version", "rules"} <= set(document):
                path = tmp_path / "policy.yaml"
                path.write_text(block.code, encoding="utf-8")
                load_policies([path])


def test_what_is_not_run_says_why() -> None:
    unrun = [block for page in PAGES for block in blocks(page) if block.why_not is not None]
    assert all(len(block.why_not or "") > 10 for block in unrun)  # a reason, not a word
